"""What TRL's vLLM is told of heads, by what lies in the policy's folder and what learns; tests/engine/vllm runs it for real."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import reinforced
import tiny_folder
import tiny_models
from trl.generation import vllm_generation

from reflectgen import zoo
from reflectgen.config import GrpoConfig, JointConfig
from reflectgen.engine.vllm.heads import FIRST_RUNNER, PROCESSOR, overrides
from reflectgen.errors import ModelError
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.tokenizer import load_tokenizer
from reflectgen.train import joint
from reflectgen.train.arguments import arguments
from reflectgen.train.pupil import load
from reflectgen.train.vllm_sampler import options, told_of_heads

LEFT_ALONE = {"hf_overrides": overrides("LlamaForCausalLM", "")}


def told(kind: type[GrpoConfig] = JointConfig, **changes: Any) -> dict[str, Any]:
    """What a vLLM would be told that samples for a recipe."""
    values = reinforced.settings(**changes)
    if kind is GrpoConfig:
        values.pop("spr")
    pupil = load(kind.model_validate(values), "float32")
    if pupil.head is not None:
        pupil.backbone.sprm_head = pupil.head
    return options(pupil.backbone, pupil.tokenizer)


def reflective(folder: Path, **head: Any) -> Path:
    """The bundled model in a folder with another head."""
    plain = ReflectiveModel.from_pretrained(zoo.path("tiny"), device="cpu")
    graded = tiny_models.head(hidden_size=128, **head)
    ReflectiveModel(plain.backbone, graded, prompt=plain.prompt).save_pretrained(folder, load_tokenizer(zoo.path("tiny")))
    return folder


def test_the_head_that_learns_is_held_where_it_came_with_the_model() -> None:
    folder = str(zoo.path("tiny"))
    assert told() == {"hf_overrides": overrides("LlamaForCausalLM", folder), "logits_processors": None}


def test_a_head_that_reads_whole_steps_brings_what_knows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [variable] = FIRST_RUNNER
    monkeypatch.setenv(variable, "0")
    folder = reflective(tmp_path, pool="step")
    assert told(model=str(folder)) == {
        "hf_overrides": overrides("LlamaForCausalLM", str(folder)),
        "logits_processors": [PROCESSOR],
    }


def test_a_head_that_does_not_learn_is_left_alone(tmp_path: Path) -> None:
    assert told(GrpoConfig) == LEFT_ALONE
    assert told(head={"hidden_size": 128}) == LEFT_ALONE
    assert told(head=str(reflective(tmp_path, offset=0))) == LEFT_ALONE


def test_a_folder_without_a_head_is_read_as_ever(tmp_path: Path) -> None:
    plain = ReflectiveModel.from_pretrained(zoo.path("tiny"), device="cpu")
    ReflectiveModel(plain.backbone, prompt=plain.prompt).save_pretrained(tmp_path, load_tokenizer(zoo.path("tiny")))
    assert told(model=str(tmp_path)) == {}


def test_a_vocabulary_without_room_for_scores_holds_no_head(tmp_path: Path) -> None:
    folder = tiny_folder.write(tmp_path)
    model = ReflectiveModel.from_pretrained(folder, device="cpu")
    policy: Any = model.backbone
    policy.sprm_head = model.head
    assert options(policy, tiny_folder.tokenizer()) == {"hf_overrides": overrides("Qwen2ForCausalLM", "")}


def test_a_class_that_cannot_be_told_is_refused_in_a_sentence() -> None:
    policy = type("GemmaForCausalLM", (), {"name_or_path": str(zoo.path("tiny"))})()
    with pytest.raises(ModelError, match="cannot be told otherwise for GemmaForCausalLM: move the head's files"):
        options(policy, None)


def test_vllm_is_told_only_while_trl_starts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A colocated one: a server has been told."""

    def start(**given: Any) -> dict[str, Any]:
        return given

    monkeypatch.setattr(vllm_generation, "LLM", start, raising=False)
    policy = ReflectiveModel.from_pretrained(zoo.path("tiny"), device="cpu").backbone
    started = []
    for mode in ("colocate", "server"):
        args: Any = SimpleNamespace(use_vllm=True, vllm_mode=mode)
        with told_of_heads(policy, None, args):
            started.append(vllm_generation.LLM(model="m"))
    assert started == [{"model": "m", **LEFT_ALONE}, {"model": "m"}]
    assert vllm_generation.LLM is start


def test_without_vllm_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(vllm_generation, "LLM", raising=False)
    config = JointConfig.model_validate(reinforced.settings(vllm={"mode": "colocate"}))
    with pytest.raises(ModelError, match=r"which is not installed: pip install 'reflectgen\[vllm\]'"):
        joint.build(config, arguments(config, tmp_path))
