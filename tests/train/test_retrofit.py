"""From stores to a folder with a head: what it holds, that it grades as in training, and that a killed run goes on."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import stored
import tiny_models

from reflectgen import tasks, zoo
from reflectgen.config import HeadConfig, RetrofitStage
from reflectgen.errors import InputError, OptionError
from reflectgen.load import load
from reflectgen.model.checkpoint import read_head
from reflectgen.rollouts import Store
from reflectgen.scoring import aggregate
from reflectgen.steps import TokenTable
from reflectgen.train.extract import Extractor
from reflectgen.train.features import Reading, StepFeatures
from reflectgen.train.retrofit import every_layer, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store to train on and one to test on."""
    made = tmp_path_factory.mktemp("stores")
    stored.write(made / "train", *stored.bundled(), problems=30, samples=4)
    stored.write(made / "test", *stored.bundled(), problems=8, samples=4, seed=1)
    return made


def work(folder: Path, **changes: Any) -> RetrofitStage:
    given = {"model": "tiny", "rollouts": [folder / "train"], "device": "cpu", "seeds": 1, "epochs": 3}
    return RetrofitStage(**{**given, **changes})


def test_the_output_is_a_head_alone_that_names_its_backbone(folder: Path, tmp_path: Path) -> None:
    report = run(work(folder, test=folder / "test"), tmp_path / "head")
    assert sorted(path.name for path in (tmp_path / "head").iterdir()) == ["reflectgen.json", "sprm_head.safetensors"]
    found = read_head(tmp_path / "head")
    assert found.head.config == report.head.config
    assert found.head.config.backbone.startswith("llama-4x128-")
    assert found.head.config.backbone_name == str(zoo.path("tiny").resolve())
    assert found.prompt is not None and found.prompt.tags == ("<think>", "</think>")
    assert report.problems == (24, 6) and report.test is not None and report.test.problems == 8
    plain = json.loads(json.dumps(report.plain()))
    assert plain["test"]["selectors"]["sprm"]["accuracy"]["estimate"] == report.test.selectors["sprm"].accuracy.estimate
    assert plain["layers"] is None


@pytest.mark.parametrize("options", [{}, {"pool": "step", "offset": 0, "layer": -1, "norm": True}, {"step_rule": "newline"}])
def test_the_head_grades_while_decoding_as_it_did_in_training(folder: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    report = run(work(folder, head=options), tmp_path / "head")
    rows = Store.open(folder / "test").rollouts[:6]
    expected = report.head.scores(_features(folder, report.head.config))[:6]
    with load("tiny", head=tmp_path / "head", device="cpu", dtype="float32", engine="naive") as model:
        engine = model.engine
        for row, score in zip(rows, expected, strict=True):
            steps = model._background.run(engine.score(row.prompt_ids, row.token_ids))
            assert aggregate("geometric", [step.score for step in steps]) == pytest.approx(score, abs=2e-3)


def _features(folder: Path, config: HeadConfig) -> StepFeatures:
    """What a head of this configuration reads of the test store."""
    model, tokenizer = stored.bundled()
    extractor = Extractor(
        backbone=model.backbone,
        table=TokenTable(tokenizer),
        readings=(Reading.of(config),),
        step_rule=config.step_rule,
        grade_end=config.grade_end,
    )
    return extractor.features(Store.open(folder / "test"))


def test_a_layer_is_searched_for(folder: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    report = run(work(folder, search="layer"), tmp_path / "head", lambda *what: told.append(what))
    assert list(report.layers) == ["layer-4", "layer-3", "layer-2", "layer-1-normed"]
    best = max(report.layers.values(), key=lambda found: found.validation.selectors["sprm"].auc_within.estimate)
    assert report.head == best and read_head(tmp_path / "head").head.config.layer == best.config.layer
    assert told[-1] == ("heads", 4, 4) and (str(folder / "train"), 120, 120) in told


def test_every_layer_of_a_backbone() -> None:
    readings = every_layer(Reading(offset=0, pool="step"), tiny_models.backbone("qwen2"))
    assert readings[0] == Reading(-4, False, 0, "step") and readings[-1] == Reading(-1, True, 0, "step")
    assert len(readings) == tiny_models.BLOCKS


def test_several_stores_are_one(folder: Path, tmp_path: Path) -> None:
    report = run(work(folder, rollouts=[folder / "train", folder / "test"]), tmp_path / "head")
    assert sum(report.problems) == 38


def test_labels_of_the_store_are_taught(folder: Path, tmp_path: Path) -> None:
    store = Store.open(folder / "train")
    store.write_labels("made", {row.key: [float(row.correct)] * len(row.steps) for row in store})
    assert run(work(folder, labels="made", loss="soft"), tmp_path / "head").head.trainings[0].auc_within > 0.5
    with pytest.raises(InputError, match="has no labels 'none'"):
        run(work(folder, labels="none", loss="soft"), tmp_path / "other")


@pytest.mark.parametrize(("said", "kept"), [(None, "Own words."), ("Own words.", "")], ids=["the user's", "the task's"])
def test_the_head_asks_as_its_rollouts_were_asked_for_less_what_their_task_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, kept: str
) -> None:
    model, tokenizer = stored.bundled()
    prompt = model.prompt_config(tokenizer).model_copy(update={"instruction": "Own words."})
    stored.write(tmp_path / "train", model, tokenizer, problems=20, samples=4, prompt=prompt)
    monkeypatch.setitem(tasks.TASKS, "wordproblems", replace(tasks.TASKS["wordproblems"], instruction=said))
    run(work(tmp_path, epochs=1), tmp_path / "head")
    found = read_head(tmp_path / "head").prompt
    assert found is not None and found.instruction == kept


def test_what_cannot_be_done_is_refused_and_writes_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(InputError, match="exists already"):
        run(work(folder), tmp_path / "full")
    for changes, kind, fault in [
        ({"rollouts": [tmp_path / "nowhere"]}, InputError, "holds no rollouts"),
        ({"test": tmp_path / "nowhere"}, InputError, "holds no rollouts"),
        ({"test": folder / "train"}, InputError, "30 of the problems in .*train are among those to train on, e.g. '"),
        ({"loss": "nope"}, OptionError, "Unknown loss 'nope'"),
    ]:
        with pytest.raises(kind, match=fault):
            run(work(folder, **changes), tmp_path / "head")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_two_problems_of_one_name_are_not_taken_for_one(folder: Path, tmp_path: Path) -> None:
    """As files whose rows have no ids of their own make them."""
    first, second = Store.open(folder / "train"), Store.open(folder / "test")
    row = replace(second.rollouts[0], problem_id=first.rollouts[0].problem_id)
    Store.create(tmp_path / "other", second.header).write_shard(0, [row])
    with pytest.raises(InputError, match=f"Two problems of the stores to train on have the id '{row.problem_id}'"):
        run(work(folder, rollouts=[folder / "train", tmp_path / "other"]), tmp_path / "head")


PROGRAM = """
import json, os, sys, threading, time
from pathlib import Path
from reflectgen.config import RetrofitStage
from reflectgen.train.retrofit import run

store, output, cache = map(Path, sys.argv[1:4])
delay = float(sys.argv[4])
if delay:
    threading.Timer(delay, os.kill, (os.getpid(), 9)).start()
began = time.perf_counter()
work = RetrofitStage(model="tiny", rollouts=[store], cache=cache, search="layer", device="cpu", seeds=1, epochs=6)
print(json.dumps({"report": run(work, output).plain(), "seconds": time.perf_counter() - began}), flush=True)
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_is_killed_anywhere_ends_with_equal_figures(folder: Path, tmp_path: Path) -> None:
    """Twenty kills, at random moments of what a whole run takes after its imports; a run that ends gives way to a new one."""

    def attempt(name: str, delay: float) -> subprocess.CompletedProcess[str]:
        arguments = [str(folder / "train"), str(tmp_path / name), str(tmp_path / f"{name}-cache"), str(delay)]
        return subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False)

    whole = json.loads(attempt("whole", 0).stdout)
    rng, kills, ended = Random(0), 0, 0
    while kills < 20:
        tried = attempt(f"cut{ended}", rng.uniform(0.05, 1.0) * whole["seconds"])
        kills += tried.returncode == -signal.SIGKILL
        ended += (tmp_path / f"cut{ended}").exists()
    assert attempt(f"cut{ended}", 0).returncode == 0
    for index in range(ended + 1):
        for name in ("reflectgen.json", "sprm_head.safetensors"):
            assert (tmp_path / f"cut{index}" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_store_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    store = Store.open(folder / "train")
    foreign = Store.create(tmp_path / "foreign", replace(store.header, backbone="other-1x1-00"))
    foreign.write_shard(0, store.rollouts)
    with pytest.raises(InputError, match="--off-policy"):
        run(work(folder, rollouts=[tmp_path / "foreign"]), tmp_path / "head")
    run(work(folder, rollouts=[tmp_path / "foreign"], off_policy=True), tmp_path / "head")
