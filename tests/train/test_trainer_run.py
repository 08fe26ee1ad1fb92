"""Whole runs: what they leave behind, what a killed one does when it is started again, and what is refused."""

import json
import multiprocessing
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import reinforced
import torch
from safetensors.torch import load_file

from reflectgen import zoo
from reflectgen.config import GrpoConfig, JointConfig
from reflectgen.errors import CapacityError, InputError, ModelError, OptionError
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.train import joint
from reflectgen.train.checkpoints import last_checkpoint

pytestmark = pytest.mark.timeout(600)  # two processes, or whole runs, on a machine that may be busy
TIMINGS = ("step_time", "train_runtime", "train_samples_per_second", "train_steps_per_second")


def recipe(kind: type[GrpoConfig] = JointConfig, **changes: Any) -> Any:
    """Two updates a round of sampling, four in all, with everything on that has a state of its own."""
    values = reinforced.settings(
        rollouts={"prompts": 4, "k": 2, "temperature": 1.0, "prompt_tokens": 200, "max_tokens": 120},
        policy={"prompts_per_update": 2, "lr": 1e-4, "kl": 0.01, "entropy": 0.001, "warmup": 2},
        spr={"lr": 1e-3, "warmup": 0.5},
        updates=4,
        traces_per_pass=2,
        save_every=2,
        samples_every=2,
        samples=2,
    )
    if kind is GrpoConfig:
        values.pop("spr")
    return kind.model_validate({**values, **changes})


def history(output: Path) -> list[dict[str, float]]:
    """The log lines of a run, timings aside."""
    checkpoint = last_checkpoint(output.with_name(output.name + "-checkpoints"))
    lines = json.loads((Path(str(checkpoint)) / "trainer_state.json").read_text())["log_history"]
    return [{name: value for name, value in line.items() if name not in TIMINGS} for line in lines]


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "model.safetensors") | load_file(output / "sprm_head.safetensors")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    output = tmp_path_factory.mktemp("runs") / "model"
    joint.run(recipe(), output)
    return output


def test_a_run_writes_a_model_that_loads_and_both_parts_have_learnt(whole: Path) -> None:
    model, before = (ReflectiveModel.from_pretrained(name, device="cpu") for name in (whole, zoo.path("tiny")))
    assert model.head is not None and before.head is not None and model.config is not None and before.config is not None
    assert not model.mismatch
    assert model.config.prompt == before.config.prompt
    assert (model.config.head.step_rule, model.config.head.blend) == (before.config.head.step_rule, None)
    assert not torch.equal(model.head.up.weight, before.head.up.weight)
    assert not torch.equal(model.backbone.model.norm.weight, before.backbone.model.norm.weight)  # type: ignore[union-attr]
    assert not any("sprm_head" in name for name in load_file(whole / "model.safetensors"))
    generation = json.loads((whole / "generation_config.json").read_text())
    assert generation["eos_token_id"] == 1


def test_every_figure_to_watch_is_logged(whole: Path) -> None:
    lines = [line for line in history(whole) if "spr" in line]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert all({"spr", "spr_all", "kl", "entropy", "grad_norm", "head_grad_norm"} <= set(line) for line in lines)
    rounds = {"reward", "frac_reward_zero_std", "completions/clipped_ratio"}
    assert [rounds <= set(line) for line in lines] == [True, False, True, False]  # what sampling shows, once a round
    assert all({"kept_right", "kept_wrong"} & set(line) for line in lines)


def test_sample_traces_lie_beside_the_checkpoints(whole: Path) -> None:
    files = sorted((whole.with_name("model-checkpoints") / "samples").iterdir())
    assert [file.name for file in files] == ["update-000000.jsonl", "update-000002.jsonl"]
    rows = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert len(rows) == 2
    for row in rows:
        assert row["steps"] and all(0 < score < 1 for _, score in row["steps"])
        assert row["steps"][0][0] in row["text"]


def test_a_finished_model_is_not_overwritten(whole: Path) -> None:
    with pytest.raises(InputError, match="not empty"):
        joint.run(recipe(), whole)


# -- killed runs -------------------------------------------------------------------------------------------------------


def kill_at(seconds: float, output: Path) -> bool:
    """Start the run in a process of its own and kill it after `seconds`; whether it was still running."""
    process = multiprocessing.get_context("fork").Process(target=joint.run, args=(recipe(), output))
    process.start()
    process.join(seconds)
    running = process.is_alive()
    process.kill()
    process.join()
    return running


def check_the_same(output: Path, whole: Path) -> None:
    for line, other in zip(history(output), history(whole), strict=True):
        assert line == pytest.approx(other, abs=1e-6)
    found, expected = weights(output), weights(whole)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_killed_run_goes_on_to_the_same_end(whole: Path, tmp_path: Path) -> None:
    """Killed as soon as there is a checkpoint, wherever it is by then."""
    output = tmp_path / "model"
    process = multiprocessing.get_context("fork").Process(target=joint.run, args=(recipe(), output))
    process.start()
    while process.is_alive() and last_checkpoint(tmp_path / "model-checkpoints") is None:
        time.sleep(0.02)
    process.kill()
    process.join()
    assert not output.exists()
    torch.manual_seed(99)
    joint.run(recipe(), output)
    check_the_same(output, whole)


def test_a_run_that_was_killed_before_its_model_was_written_only_writes_it(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole.with_name("model-checkpoints"), tmp_path / "model-checkpoints")
    joint.run(recipe(), tmp_path / "model")
    check_the_same(tmp_path / "model", whole)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_random_kills_change_nothing(whole: Path, tmp_path: Path) -> None:
    began = time.perf_counter()
    assert not kill_at(600, tmp_path / "timed")
    duration, draw, kills = time.perf_counter() - began, random.Random(0), 0
    for run in range(40):
        output = tmp_path / f"model-{run}"
        for _ in range(draw.choice((1, 2))):
            kills += kill_at(draw.uniform(0.05, 1.0) * duration, output)
        if not output.exists():
            joint.run(recipe(), output)
        check_the_same(output, whole)
        if kills >= 20:
            break
    assert kills >= 20


# -- the policy alone --------------------------------------------------------------------------------------------------


def test_the_policy_alone_leaves_a_model_without_a_head(tmp_path: Path) -> None:
    joint.run(recipe(GrpoConfig, updates=2), tmp_path / "model")
    model = ReflectiveModel.from_pretrained(tmp_path / "model", device="cpu")
    assert model.head is None
    assert model.prompt is None or model.prompt.tags == ("<think>", "</think>")


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"traces_per_pass": 3}, OptionError, "do not divide into passes of traces_per_pass x ranks = 3 x 1"),
        ({"head": {"hidden_size": 64}}, ModelError, "reads states of width 64, but this backbone's have 128"),
        ({"head": {"hidden_size": 128, "layer": -9}}, ModelError, "reads layer -9, but the backbone has only 4 blocks"),
        ({"head": "nowhere/at/all"}, ModelError, "nowhere"),
        ({"model": "nowhere/at/all"}, ModelError, "nowhere"),
        ({"task": {"name": "gsm8k"}}, InputError, "give the file"),
        ({"task": {"name": "gsm9k"}}, OptionError, "Unknown task 'gsm9k'"),
        ({"task": {"name": "jsonl", "path": "{tmp}/unanswered.jsonl"}}, InputError, "The problem 'a' has no answer"),
        (
            {"rollouts": {"prompts": 4, "k": 2, "prompt_tokens": 5}},
            InputError,
            "prompts are longer than rollouts.prompt_tokens",
        ),
        ({"rollouts": {"prompts": 4, "k": 2, "max_tokens": 500}}, CapacityError, "but the model reads 512: lower"),
        ({"spr": {"loss": "papr"}}, OptionError, "Unknown loss 'papr'"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_sentence(
    changes: dict[str, Any], error: type[Exception], sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "unanswered.jsonl").write_text('{"id": "a", "problem": "How many?"}\n')
    if "path" in changes.get("task", {}):
        changes = {"task": {**changes["task"], "path": str(tmp_path / "unanswered.jsonl")}}
    with pytest.raises(error, match=sentence) as caught:
        joint.run(recipe(**changes), tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_the_order_goes_through_all_problems_before_any_comes_again() -> None:
    places = joint.order(5, 12, seed=0)
    assert sorted(places[:5]) == sorted(places[5:10]) == [0, 1, 2, 3, 4]
    assert places[:5] != places[5:10]
    assert joint.order(5, 7, seed=0) == places[:7]
