"""Two runs over the same problems, by hand and by the metrics."""

from pathlib import Path

import numpy as np
import pytest
from evaluate.graded import made
from evaluate.written import write
from rollouts.made import rollout, store

from reflectgen.errors import OptionError
from reflectgen.evaluate.book import Book
from reflectgen.evaluate.comparison import Comparison
from reflectgen.evaluate.stored import Stored
from reflectgen.metrics import paired_difference


def compared(*folders: Path, **options: bool) -> list[Comparison]:
    return list(Book.of(folders, **options).comparisons)


def test_stores_are_compared_problem_by_problem(tmp_path: Path) -> None:
    first, second = (Stored.of(made(tmp_path / name, seed=seed).folder) for seed, name in enumerate("ab"))
    (found,) = compared(first.folder, second.folder)
    assert (found.first, found.second, found.problems, found.task) == (first.folder, second.folder, 6, "wordproblems")
    assert found.differs == {} and found.only_first == found.only_second == 0
    duels = {(duel.way, duel.k): duel for duel in found.duels}
    assert ("one trace", 1) in duels and ("sprm", 1) not in duels and ("sprm", 5) in duels
    values = [run.offline.estimates[5][run.offline.ways[0]].values for run in (first, second)]
    duel = duels["sprm", 5]
    assert duel.difference == paired_difference(values[1], values[0])
    assert sum(duel.won.values()) == 6 and duel.won["level"] == int((values[0] == values[1]).sum())
    gaps = [gap.second - gap.first for gap in duel.gaps]
    assert gaps == sorted([gap for gap in gaps if gap > 0], reverse=True) + sorted(gap for gap in gaps if gap < 0)
    assert len(gaps) == int((np.abs(values[1] - values[0]) > 0).sum())


def test_problems_that_one_alone_has_are_left_out(tmp_path: Path) -> None:
    made(tmp_path / "a", problems=4)
    made(tmp_path / "b", problems=6, samples=3)
    (found,) = compared(tmp_path / "a", tmp_path / "b")
    assert (found.problems, found.only_first, found.only_second) == (4, 0, 2)
    assert {duel.k for duel in found.duels} == {1, 2}  # of 1, 2, 4, 5 and 1, 2, 3


def test_a_problem_of_another_prompt_is_another(tmp_path: Path) -> None:
    store(tmp_path / "a", [[rollout("p0"), rollout("p1")]])
    store(tmp_path / "b", [[rollout("p0", prompt_hash=1), rollout("p1")]])
    (found,) = compared(tmp_path / "a", tmp_path / "b")
    assert (found.problems, found.only_first) == (1, 1)
    store(tmp_path / "c", [[rollout("p0", prompt_hash=1)]], prompt={"system": "Other."})
    (_, other) = compared(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert other.problems == 1 and other.differs == {
        "prompt": ({"system": "", "tags": ["<think>", "</think>"]}, {"system": "Other."})
    }


def test_models_are_compared_only_where_that_is_asked_for(tmp_path: Path) -> None:
    made(tmp_path / "a")
    made(tmp_path / "b", backbone="other", head="another")
    with pytest.raises(
        OptionError, match=r"hold the same problems for different models .*llama.* against other.*: give --across"
    ):
        compared(tmp_path / "a", tmp_path / "b")
    (found,) = compared(tmp_path / "a", tmp_path / "b", across_models=True)
    assert set(found.differs) == {"backbone", "head"}


def test_other_tasks_and_other_problems_are_not_compared(tmp_path: Path) -> None:
    made(tmp_path / "a")
    made(tmp_path / "b", backbone="other", task="gsm8k")
    store(tmp_path / "c", [[rollout("q0")]], backbone="third")
    write(tmp_path / "d")
    assert compared(*(tmp_path / name for name in "abcd")) == []


def test_folders_of_cells_are_compared_way_by_way(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b")
    (found,) = compared(tmp_path / "a", tmp_path / "b")
    duels = {(duel.way, duel.k, duel.budget): duel for duel in found.duels}
    assert len(duels) == 5 and duels["best_of_n, majority", 2, 50].difference.estimate == 0
    duel = duels["adaptive, sprm", 2, None]
    assert (duel.first.estimate, duel.second.estimate, duel.won["level"], duel.gaps) == (1.0, 1.0, 4, ())
    write(tmp_path / "blind", graded=False)
    assert compared(tmp_path / "a", tmp_path / "blind") == []
