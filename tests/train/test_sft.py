import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from reflectgen.config import OptimizerConfig, SupervisedConfig
from reflectgen.errors import InputError, OptionError
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.tokenizer import load_tokenizer
from reflectgen.steps import read_index
from reflectgen.train.checkpoints import last_checkpoint
from reflectgen.train.corpus import Row, corpus_texts
from reflectgen.train.sft import Collator, SupervisedTrainer, parameter_groups, rate, run
from reflectgen.train.vocabulary import build_tokenizer


def recipe(**changes: Any) -> SupervisedConfig:
    values: dict[str, Any] = {
        "corpus": {"events": [1, 2], "vocabulary_texts": 50},
        "backbone": {"vocab_size": 400, "hidden_size": 16, "layers": 2, "heads": 2, "kv_heads": 1, "feedforward": 16},
        "head": {"hidden_size": 16},
        "optimizer": {"updates": 6, "batch": 4},
        "spr": {"start": 0.5, "filter_start": 0.66, "gradient_scale": 1.0},
        "save_every": 2,
        "log_every": 1,
    }
    return SupervisedConfig.model_validate(values | changes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "model"
    run(recipe(), output)
    return output


def history(output: Path) -> list[dict[str, float]]:
    checkpoint = last_checkpoint(output.with_name(output.name + "-checkpoints"))
    state = json.loads((Path(str(checkpoint)) / "trainer_state.json").read_text())
    return [line for line in state["log_history"] if "nll" in line]


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "model.safetensors") | load_file(output / "sprm_head.safetensors")


def test_a_run_writes_a_model_that_loads_and_grades(trained: Path) -> None:
    model, tokenizer = ReflectiveModel.from_pretrained(trained, device="cpu"), load_tokenizer(trained)
    ids = torch.tensor([tokenizer.encode("Tom has 12 shells.")])
    assert model(ids).logits.shape == (1, ids.shape[1], 400)
    assert model(ids).step_logits.shape == (1, ids.shape[1])
    assert model.prompt_config(tokenizer).tags == ("<think>", "</think>")
    assert model.prompt_config(tokenizer).instruction == ""
    assert not any(name.startswith("sprm_head") for name in load_file(trained / "model.safetensors"))


def test_whoever_loads_the_tokenizer_gets_the_one_that_was_trained_with(trained: Path) -> None:
    loaded = AutoTokenizer.from_pretrained(trained)
    built = build_tokenizer(corpus_texts(recipe().corpus), 400, 512)
    text = "Tom has 12 shells.\n\nIt is \\boxed{3}."
    assert loaded.encode(text) == built.encode(text)
    assert loaded.decode(loaded.encode(text)) == text
    assert loaded.chat_template == built.chat_template


def test_the_model_samples_at_the_temperature_it_was_measured_at(trained: Path) -> None:
    generation = json.loads((trained / "generation_config.json").read_text())
    assert (generation["do_sample"], generation["temperature"], generation["top_p"]) == (True, 1.0, 1.0)
    assert generation["eos_token_id"] == load_tokenizer(trained).eos_token_id


def test_the_language_model_begins_alone_then_all_steps_count_then_the_filter_starts(trained: Path) -> None:
    lines = history(trained)
    assert [("spr" in line) for line in lines] == [False, False, False, True, True, True]
    assert lines[3]["spr"] == lines[3]["spr_all"]
    assert any(line["spr"] < line["spr_all"] for line in lines[4:])
    assert {"kept_right", "kept_wrong"} & set(lines[5])


def test_the_next_token_loss_falls(tmp_path: Path) -> None:
    run(recipe(optimizer={"updates": 30, "batch": 4}, log_every=5), tmp_path / "model")
    lines = history(tmp_path / "model")
    assert 5.5 < lines[0]["nll"] < 6.1  # log 400 = 5.99
    assert lines[-1]["nll"] < lines[0]["nll"] - 0.4


def test_an_interrupted_run_goes_on_to_the_same_weights(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = SupervisedTrainer.compute_loss

    def interrupted(self: SupervisedTrainer, *arguments: Any, **options: Any) -> Any:
        if self.state.global_step == 5:
            raise KeyboardInterrupt
        return whole(self, *arguments, **options)

    monkeypatch.setattr(SupervisedTrainer, "compute_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), tmp_path / "model")
    assert not (tmp_path / "model").exists()
    monkeypatch.undo()
    torch.manual_seed(99)
    run(recipe(), tmp_path / "model")
    expected, found = weights(trained), weights(tmp_path / "model")
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert [line["nll"] for line in history(tmp_path / "model")] == [line["nll"] for line in history(trained)]


def test_a_finished_model_is_not_overwritten(trained: Path) -> None:
    with pytest.raises(InputError, match="not empty"):
        run(recipe(), trained)


def test_an_unknown_loss_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="Unknown loss 'papper'"):
        run(recipe(spr={"loss": "papper"}), tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("changes", [{"pool": "step"}, {"grade_end": True}])
def test_a_head_that_would_read_otherwise_than_it_is_taught_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=r"leave out head\.pool and head\.grade_end"):
        SupervisedConfig.parse({**recipe().model_dump(), "head": {"hidden_size": 16, **changes}}, "here")


def test_checkpoints_of_another_recipe_are_refused_and_deleted_when_beginning_afresh(tmp_path: Path) -> None:
    checkpoints = tmp_path / "model-checkpoints"
    (checkpoints / "checkpoint-4").mkdir(parents=True)
    (checkpoints / "recipe.json").write_text(recipe(seed=1).model_dump_json(indent=2))
    with pytest.raises(InputError, match="another recipe"):
        run(recipe(), tmp_path / "model")
    run(recipe(optimizer={"updates": 2, "batch": 2}), tmp_path / "model", resume=False)
    assert {path.name for path in checkpoints.iterdir()} == {"checkpoint-2", "recipe.json"}


def test_the_rate_rises_to_its_peak_and_falls_by_a_cosine_to_its_floor() -> None:
    """Warm-up over 10 of 100 updates; half way the cosine is 0: 0.2 + 0.8 / 2."""
    config = OptimizerConfig(updates=100, warmup=0.1, floor=0.2)
    assert rate(0, config) == pytest.approx(0.1)
    assert rate(50, config) == pytest.approx(0.6)
    assert rate(100, config) == pytest.approx(0.2)
    assert rate(0, config.model_copy(update={"warmup": 0.0})) == pytest.approx(1.0)


def test_a_batch_is_padded_and_says_where_the_head_reads() -> None:
    rows = [
        Row(ids=(5, 6, 7, 8, 9), prompt=2, ends=(3, 4), correct=True, readings=(True, False)),
        Row(ids=(5, 6, 7), prompt=1, ends=(2,), correct=False, readings=(True,)),
    ]
    batch = {name: tensor.tolist() for name, tensor in Collator(0, -1)(rows).items()}
    assert batch == {
        "ids": [[5, 6, 7, 8, 9], [5, 6, 7, 0, 0]],
        "completion": [[False, False, True, True, True], [False, True, True, False, False]],
        "correct": [True, False],
        "trace": [0, 0, 1],
        "read": [read_index(3, -1), read_index(4, -1), read_index(2, -1)],
        "readings": [True, False, True],
    }


def test_muon_gets_the_matrices_of_the_blocks_alone(trained: Path) -> None:
    model: Any = ReflectiveModel.from_pretrained(trained, device="cpu")
    model.backbone.sprm_head = model.head
    muon, rest = parameter_groups(model.backbone, OptimizerConfig(updates=1))
    assert len(muon["params"]) == 2 * 7
    assert len(muon["params"]) + len(rest["params"]) == len(list(model.backbone.parameters()))
    assert {parameter.ndim for parameter in muon["params"]} == {2}
