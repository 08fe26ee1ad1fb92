"""Running a grid: over scripts for what it does, over the bundled model for what the whole comes to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluate.played import DEAD, GOOD, PROBLEMS, played

from reflectgen.errors import InputError, ModelError
from reflectgen.evaluate import frontier
from reflectgen.evaluate.cells import Cell, Contender, Folder
from reflectgen.evaluate.frontier import Evaluation, least_of
from reflectgen.evaluate.grid import Grid
from reflectgen.evaluate.runner import Job, rollout
from reflectgen.load import load
from reflectgen.reflector import Options, Reflector
from reflectgen.rollouts import Store
from reflectgen.tasks import TASKS

TASK = TASKS["jsonl"]
ALL = ("best_of_n", "pruned", "adaptive", "deepconf", "esc", "beam", "dvts", "mcts", "budget:least=20")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two problems a chunk."""
    monkeypatch.setattr(frontier, "unit", lambda k: 2)


@pytest.fixture
def model() -> Iterator[Reflector]:
    with played() as model:
        yield model


def grid(*strategies: str, **changes: Any) -> Grid:
    contenders = [Contender.parse(text) for text in strategies]
    return Grid(**{"task": TASK, "problems": PROBLEMS, "contenders": contenders, "ks": [4], **changes})


def run(model: Reflector, asked: Grid, folder: Path, **options: Any) -> Folder:
    evaluation = Evaluation(model, asked, folder, options.pop("store", None))
    evaluation.sample()
    evaluation.run(**options)
    return Folder.open(folder)


def found(folder: Folder) -> dict[str, list[Mapping[str, Any]]]:
    """Each cell's rows without what clocks measured."""
    clocks = dict.fromkeys(("seconds", "wall_seconds"))
    return {str(cell): [{**row.values, **clocks} for row in folder.rows(cell)] for cell in folder.cells}


def test_every_cell_is_a_file_of_rows(model: Reflector, tmp_path: Path) -> None:
    asked = grid(*ALL, selects=["sprm", "majority"], ks=[2, 4])
    folder = run(model, asked, tmp_path / "out")
    assert len(folder.cells) == 36 and all(map(folder.has, folder.cells))
    for cell in folder.cells:
        rows = [row.values for row in folder.rows(cell)]
        assert [row["id"] for row in rows] == [problem.id for problem in PROBLEMS]
        options = asked.options(cell.contender, cell.k, cell.budget, cell.select)
        live = model.solve(PROBLEMS[3], **options)
        row = rows[3]
        assert (row["answer"], row["chosen"]) == (live.answer, live.chosen and live.chosen.id)
        assert row["correct"] is (live.answer == "2")
        assert (row["tokens_generated"], row["branches"]) == (live.cost.tokens_generated, len(live.trajectories))
        fed = None if cell.replayed else live.cost.tokens_prefilled
        assert row["tokens_prefilled"] == fed and row["notes"] == []
        assert [(row[name] is None) for name in ("tokens_scored", "forward_passes", "seconds", "wall_seconds")] == [
            cell.replayed
        ] * 4


def test_what_was_run_is_written_down(model: Reflector, tmp_path: Path) -> None:
    run(model, grid("esc:window=2", seeds=[3], sampling=Options(top_p=0.5)), tmp_path)
    index = json.loads((tmp_path / "cells.json").read_text())
    header = index["run"]
    assert (header["task"], header["backbone"], header["head"], header["dtype"]) == ("jsonl", "none-1x1-0", "sprm-0", "float32")
    assert header["sampling"]["top_p"] == 0.5 and header["prompt"]["system"] == "S"
    assert header["problems"]["count"] == 5 and len(header["problems"]["digest"]) == 16
    (cell,) = index["cells"]
    assert (cell["strategy"], cell["settings"], cell["select"], cell["seed"]) == ("esc", {"window": 2}, "majority", 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["cells.json", cell["file"], "rollouts-seed3"])


def test_the_machine_is_written_down_and_another_one_goes_on(model: Reflector, tmp_path: Path) -> None:
    for name, strategies in (("one", ["esc"]), ("two", ["esc", "best_of_n"]), ("three", ["esc"])):
        evaluation = Evaluation(model, grid(*strategies), tmp_path, None, {"cpu": name})
        evaluation.sample()
        evaluation.run()
    assert Folder.open(tmp_path).machines == [{"cpu": "one"}, {"cpu": "two"}]  # the third had nothing to run


def test_selectors_and_sizes_share_what_is_sampled(model: Reflector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    branches = model.engine.branches

    def counted(prompt: Sequence[int], n: int, *rest: Any) -> Any:
        drawn.append(n)
        return branches(prompt, n, *rest)

    monkeypatch.setattr(model.engine, "branches", counted)
    run(model, grid("best_of_n", "adaptive", selects=["sprm", "majority", "logprob"], ks=[2, 4]), tmp_path / "replayed")
    assert drawn == [4] * 5
    drawn.clear()
    run(model, grid("best_of_n", selects=["sprm", "majority", "logprob"], ks=[2], live=True), tmp_path / "live")
    assert drawn == [1] + [2] * 5  # the first one warms up


def test_live_cells_are_timed(model: Reflector, tmp_path: Path) -> None:
    folder = run(model, grid("best_of_n", "adaptive", live=True), tmp_path)
    rows = [row.values for cell in folder.cells for row in folder.rows(cell)]
    assert all(row["seconds"] > 0 and row["wall_seconds"] > 0 for row in rows)


def test_a_budget_is_kept(model: Reflector, tmp_path: Path) -> None:
    folder = run(model, grid("best_of_n", "beam", budgets=[24]), tmp_path)
    assert all(0 < row.values["tokens_generated"] <= 24 for cell in folder.cells for row in folder.rows(cell))


@pytest.mark.parametrize("after", [1, 4, 7])
def test_the_same_command_goes_on_and_ends_in_the_same_rows(model: Reflector, tmp_path: Path, after: int) -> None:
    asked = grid("best_of_n", "esc", "beam", selects=["sprm", "majority"])
    whole = found(run(model, asked, tmp_path / "whole"))
    seen: list[Cell] = []

    def stop(cell: Cell, rows: Sequence[Mapping[str, Any]]) -> None:
        seen.append(cell)
        if len([cell for cell in seen if rows]) > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(model, asked, tmp_path / "stopped", observe=stop)
    assert found(run(model, asked, tmp_path / "stopped")) == whole
    evaluation = Evaluation(model, asked, tmp_path / "stopped")
    assert evaluation.missing == [] and evaluation.samplers == {}


def test_further_cells_come_into_the_same_folder(model: Reflector, tmp_path: Path) -> None:
    before = found(run(model, grid("best_of_n"), tmp_path))
    folder = run(model, grid("esc", "best_of_n", ks=[2, 4], selects=["sprm", "majority"]), tmp_path)
    assert len(folder.cells) == 8 and before.items() <= found(folder).items()
    with pytest.raises(InputError, match="has 4 thinkings of a problem, too few for k = 8: name another folder"):
        Evaluation(model, grid("best_of_n", ks=[8]), tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sampling": Options(temperature=0.5)}, r"another sampling, temperature \(1.0 against 0.5\)"),
        ({"problems": PROBLEMS[:3]}, r"another problems, count \(5 against 3\)"),
        ({"problems": [replace(one, text="other") for one in PROBLEMS]}, "another problems, digest"),
        ({"live": True}, r"another live \(false against true\)"),
        ({"task": replace(TASK, name="mine")}, r'another task \("jsonl" against "mine"\)'),
    ],
)
def test_a_folder_of_another_run_is_refused(model: Reflector, tmp_path: Path, change: dict[str, Any], told: str) -> None:
    run(model, grid("best_of_n"), tmp_path)
    with pytest.raises(InputError, match=f"holds a run with {told}"):
        Evaluation(model, grid("best_of_n", **change), tmp_path)


def test_a_given_store_is_replayed_and_a_wrong_one_refused(model: Reflector, tmp_path: Path) -> None:
    store = rollout(model, Job(task=TASK, problems=PROBLEMS, k=6, seed=2), tmp_path / "store")
    assert least_of(store) == {2: 6}
    folder = run(model, grid("best_of_n", seeds=[2]), tmp_path / "out", store=store)
    assert folder.has(folder.cells[0]) and not list((tmp_path / "out").glob("rollouts*"))
    for change, told in [
        ({"ks": [8], "seeds": [2]}, "has 6 thinkings of a problem with seed 2, too few for k = 8"),
        ({"seeds": [0]}, "has none of seed 0, too few for k = 4: give a smaller --k or other --seeds"),
        ({"sampling": Options(top_k=3), "seeds": [2]}, "filled with another sampling"),
        ({"task": replace(TASK, name="mine"), "seeds": [2]}, "filled with another task"),
    ]:
        with pytest.raises(InputError, match=told):
            Evaluation(model, grid("best_of_n", **change), tmp_path / "other", store)
    with played(identity={"backbone": "b"}) as other, pytest.raises(InputError, match="filled with another backbone"):
        Evaluation(other, grid("best_of_n", seeds=[2]), tmp_path / "other", store)
    unknown = grid("best_of_n", seeds=[2], problems=[replace(PROBLEMS[0], id="p9")])
    with pytest.raises(InputError, match="no thinkings of the problem 'p9'"):
        run(model, unknown, tmp_path / "unknown", store=store)


def test_an_answer_is_graded_once_and_only_where_gold_ones_are_known(model: Reflector, tmp_path: Path) -> None:
    asked: list[tuple[str, str | None]] = []

    def grade(answer: str | None, problem: Any) -> bool:
        asked.append((problem.id, answer))
        return answer == "2"

    task = replace(TASK, grade=grade)
    run(model, grid("beam", "mcts", "budget", task=task, live=True), tmp_path / "known")
    assert len(asked) == len(set(asked))
    ungraded = [replace(problem, answers=()) for problem in PROBLEMS]
    folder = run(model, grid("best_of_n", "beam", problems=ungraded), tmp_path / "unknown")
    assert {row.values["correct"] for cell in folder.cells for row in folder.rows(cell)} == {None}


def test_failed_branches_are_noted_and_a_chunk_of_them_is_not_written(tmp_path: Path) -> None:
    with played(GOOD, DEAD) as model:
        folder = run(model, grid("best_of_n", ks=[2]), tmp_path / "one")
        assert folder.rows(folder.cells[0])[0].values["notes"] == ["A branch failed: The script fails after 2 tokens."]
    with (
        played(DEAD) as model,
        pytest.raises(ModelError, match=r"All thinkings of beam, sprm, k = 4, seed 0 failed \(The script"),
    ):
        run(model, grid("beam"), tmp_path / "all")
    assert not list((tmp_path / "all").glob("beam*"))


@pytest.mark.timeout(300)
def test_on_the_bundled_model_replays_have_the_rows_of_live_runs(tmp_path: Path) -> None:
    task = TASKS["wordproblems"]
    sampling = Options(temperature=2.0, max_tokens=90)  # so hot that no two steps are alike: roundings decide nothing
    asked = grid(
        "best_of_n", "adaptive", "pruned:rule=prefix", task=task, problems=task.load(None, "test", 3, 8), sampling=sampling,
        selects=["sprm", "weighted"],
    )  # fmt: skip
    with load("tiny", prompt=task.prompt) as model:
        replayed = run(model, asked, tmp_path / "replayed")
        live = run(model, replace(asked, live=True), tmp_path / "live")
    names = ("id", "answer", "correct", "chosen", "tokens_generated", "branches")
    for name, rows in found(replayed).items():
        assert [[row[key] for key in names] for row in rows] == [[row[key] for key in names] for row in found(live)[name]]
    assert Store.open(tmp_path / "replayed" / "rollouts-seed0").header.sampling["temperature"] == 2.0
