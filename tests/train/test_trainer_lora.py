"""Adapters instead of whole weights: what trains, what is saved, and what the finished model is."""

from pathlib import Path
from typing import Any

import pytest
import reinforced
import torch
from trl.generation.vllm_generation import VLLMGeneration

from reflectgen import zoo
from reflectgen.config import GrpoConfig, JointConfig
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.train import joint
from reflectgen.train.checkpoints import last_checkpoint
from reflectgen.train.trainer import trainable

pytest.importorskip("peft")

pytestmark = pytest.mark.timeout(600)  # two processes, or whole runs, on a machine that may be busy
HEADS_OWN = ("up.weight", "up.bias", "down.weight", "down.bias")
LORA = {"rank": 4, "alpha": 8, "targets": ["q_proj", "down_proj"]}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return reinforced.trainer(tmp_path_factory.mktemp("runs"), lora=LORA)


def test_the_head_trains_whole_and_the_backbone_by_its_adapters(made: Any) -> None:
    names = {name for name, weight in made.model.named_parameters() if weight.requires_grad}
    assert all("lora_" in name or "sprm_head.modules_to_save" in name for name in names)
    assert len(trainable(made.model, head=True)) == 4
    assert len(trainable(made.model, head=False)) == 2 * 2 * 4
    gradients = reinforced.gradients(made, reinforced.rollouts(made))
    assert gradients.keys() == names
    assert all(gradients[name].abs().max() > 0 for name in names if "lora_A" not in name)  # behind lora_B, which begins at 0


def test_the_head_has_its_own_rate_under_adapters_too(made: Any) -> None:
    *policy, head = made.create_optimizer().param_groups
    assert (len(head["params"]), head["lr"]) == (4, 1e-3)
    assert sum(len(group["params"]) for group in policy) == 16


def test_a_vllm_that_holds_the_head_gets_it_by_its_plain_name(made: Any) -> None:
    vllm: Any = VLLMGeneration.__new__(VLLMGeneration)
    vars(vllm).update(model=made.model, accelerator=made.accelerator, _dist=made._dist)
    names = [name for name, _ in vllm._iter_named_params()]
    assert [name for name in names if "sprm_head" in name] == [f"sprm_head.{name}" for name in HEADS_OWN]
    assert "model.layers.0.self_attn.q_proj.weight" in names
    assert not any("lora" in name for name in names)


def test_adapters_start_as_the_model_itself(made: Any, tmp_path: Path) -> None:
    plain = reinforced.trainer(tmp_path)
    loss = made.compute_loss(made.model, reinforced.rollouts(made))
    torch.testing.assert_close(loss, plain.compute_loss(plain.model, reinforced.rollouts(plain)), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", [JointConfig, GrpoConfig])
def test_the_finished_model_has_the_adapters_merged(kind: type[GrpoConfig], tmp_path: Path) -> None:
    values = reinforced.settings(lora=LORA, updates=1, policy={"prompts_per_update": 4, "lr": 0.01, "kl": 0.01})
    if kind is GrpoConfig:
        values.pop("spr")
    output = tmp_path / "model"
    joint.run(kind.model_validate(values), output)
    checkpoint = Path(str(last_checkpoint(tmp_path / "model-checkpoints")))
    assert (checkpoint / "adapter_model.safetensors").is_file()
    model, before = (ReflectiveModel.from_pretrained(folder, device="cpu") for folder in (output, zoo.path("tiny")))
    changed = {
        name
        for name, weight in model.backbone.named_parameters()
        if not torch.equal(weight, before.backbone.get_parameter(name))
    }
    assert changed and all(name.endswith(("q_proj.weight", "down_proj.weight")) for name in changed)
    if kind is GrpoConfig:
        assert model.head is None
    else:
        assert model.head is not None and before.head is not None
        assert not model.mismatch
        assert not torch.equal(model.head.up.weight, before.head.up.weight)
