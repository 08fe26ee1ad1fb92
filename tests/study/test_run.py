"""Whole studies over the bundled model and worked solutions of word problems."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stored
import tiny_folder

from reflectgen.config import HeadOptions, RetrofitConfig, StudyConfig
from reflectgen.errors import InputError
from reflectgen.study import run as study
from reflectgen.study.backbones import open_backbone
from reflectgen.study.grades import Examiner
from reflectgen.study.stores import judge_steps
from reflectgen.tasks.wordproblems import EVENTS

BASELINE = RetrofitConfig(head=HeadOptions(grade_end=False), seeds=1, epochs=2)
Run = Callable[..., study.Table]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training traces in `train`, test traces in `test`."""
    folder, policy = tmp_path_factory.mktemp("stores"), stored.bundled()
    stored.write(folder / "train", *policy, problems=20, samples=4, events=EVENTS)
    stored.write(folder / "test", *policy, problems=10, samples=4, events=EVENTS, seed=1)
    return folder


@pytest.fixture
def run(stores: Path, tmp_path: Path) -> Run:
    def run(*sections: str, output: str = "study", **changes: Any) -> study.Table:
        given = {"rollouts": (stores / "train",), "test": stores / "test", "baseline": BASELINE, "resamples": 50}
        config = StudyConfig(**{**given, "sections": sections, **changes})
        return study.run(config, tmp_path / output, device="cpu", dtype="float32")

    return run


def test_a_table_and_its_files(run: Run, tmp_path: Path) -> None:
    table = run("aggregate", "offset", finished={"bundled": "tiny"})
    names = [row.name for row in table.rows if row.section == "reference"]
    assert names == ["pass@1", "majority", "logprob", "confidence", "shortest", "oracle"]
    assert table.about["problems"] == 10 and table.about["k"] == 4
    assert not table.left_out
    baseline = table.baseline.measured.figures
    same = next(row for row in table.rows if row.name == "offset -1").measured
    assert {spread.estimate for spread in same.minus(table.baseline.measured).values()} == {0}
    assert {"all_right", "first_error_f1"} <= baseline.keys()
    assert json.loads((tmp_path / "study" / "study.json").read_text())["about"]["model"] == "tiny"
    assert "## Offset" in (tmp_path / "study" / "study.md").read_text()


def test_rows_that_are_done_are_not_done_again(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run("offset")
    asked: list[str] = []
    grades = Examiner.grades

    def noted(self: Examiner, variant: Any) -> Any:
        asked.append(variant.name)
        return grades(self, variant)

    monkeypatch.setattr(Examiner, "grades", noted)
    again = run("offset", "dropout")
    assert asked == ["dropout 0.0", "dropout 0.1"]  # 0.5 is the baseline's
    assert [row.name for row in again.rows][: len(first.rows)] == [row.name for row in first.rows]
    assert again.baseline.measured.figures["auc"].estimate == first.baseline.measured.figures["auc"].estimate


def test_a_killed_study_ends_like_one_that_was_not(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("offset", output="whole")
    grades = Examiner.grades

    def killed(self: Examiner, variant: Any) -> Any:
        if variant.name != "baseline":
            raise KeyboardInterrupt
        return grades(self, variant)

    monkeypatch.setattr(Examiner, "grades", killed)
    with pytest.raises(KeyboardInterrupt):
        run("offset", output="killed")
    monkeypatch.setattr(Examiner, "grades", grades)
    log = tmp_path / "killed" / "rows.jsonl"
    log.write_text(log.read_text() + '{"key": "half')  # a row that was being written
    resumed = run("offset", output="killed")
    for one, other in zip(whole.rows, resumed.rows, strict=True):
        assert one.measured.figures.keys() == other.measured.figures.keys()
        for name, spread in one.measured.figures.items():
            np.testing.assert_equal(spread.resampled, other.measured.figures[name].resampled)


def test_a_row_that_cannot_be_made_is_left_out_with_its_reason(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    grades = Examiner.grades

    def failing(self: Examiner, variant: Any) -> Any:
        if variant.name == "offset 0":
            raise InputError("Too little.")
        return grades(self, variant)

    monkeypatch.setattr(Examiner, "grades", failing)
    table = run("offset")
    assert [(row.name, row.reason) for row in table.left_out] == [("offset 0", "Too little.")]
    assert "offset -1" in {row.name for row in table.rows}


def test_stores_that_do_not_do(run: Run, stores: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give them with --rollouts and --test"):
        run(test=None)
    with pytest.raises(InputError, match="is trained on, so nothing can be measured on it"):
        run(test=stores / "train")
    with pytest.raises(InputError, match="is trained on, so nothing can be measured on it"):
        run(test=stores / "test" / ".." / "train")
    stored.write(tmp_path / "other", *stored.bundled(), problems=2, samples=2, backbone="llama-9x9-ff")
    with pytest.raises(InputError, match=r"were sampled by tiny \(llama-9x9-ff\), and .* name that one with --model"):
        run(rollouts=(tmp_path / "other",))


def test_a_store_that_grew_is_judged_anew(tmp_path: Path) -> None:
    policy = stored.bundled()
    store = stored.write(tmp_path / "store", *policy, problems=1, samples=2, events=EVENTS)
    first, second = store.rollouts
    store.write_labels("oracle", {first.key: [0.5] * len(first.steps)})
    judge_steps(store, open_backbone("tiny", device="cpu", dtype="float32"), ())
    labels = store.labels("oracle")
    assert labels.keys() == {first.key, second.key} and set(labels[first.key]) <= {0.0, 1.0}
    store.write_labels("oracle", {key: [0.5] * len(values) for key, values in labels.items()})
    judge_steps(store, open_backbone("tiny", device="cpu", dtype="float32"), ())
    assert set(store.labels("oracle")[first.key]) == {0.5}


def test_a_file_that_is_no_log_of_a_study(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"key": "x", "scores": [1.0]}\n')
    with pytest.raises(InputError, match=r"rows.jsonl, line 1: this is no row of a study"):
        study.read_rows(tmp_path / "rows.jsonl")


def test_models_of_another_vocabulary_read_the_same_texts(run: Run, tmp_path: Path) -> None:
    other = str(tiny_folder.write(tmp_path / "other", context=1024))
    table = run("finished", "separate", finished={"other": other}, prm_backbone=other)
    finished, separate = (next(row for row in table.rows if row.section == section) for section in ("finished", "separate"))
    assert not table.left_out
    assert finished.facts["tokens_reread"] == separate.facts["tokens_reread"] > 10_000  # a token a character
    assert finished.measured.figures["auc"].estimate != separate.measured.figures["auc"].estimate


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_sections(run: Run, stores: Path) -> None:
    """Each section once, a separate model of the same weights and another's traces among them."""
    table = run(prm_backbone="tiny", off_policy={"the test traces": stores / "test"}, finished={"bundled": "tiny"})
    assert not table.left_out
    assert {row.section for row in table.rows} >= {"separate", "off_policy", "neighbours", "labels", "finished"}
    separate = next(row for row in table.rows if row.section == "separate")
    assert separate.measured.figures["auc"].estimate == table.baseline.measured.figures["auc"].estimate
    assert separate.facts["tokens_reread"] > 1000
