"""Folders of cells written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reflectgen.evaluate.cells import Cell, Contender, Folder

RUN = {
    "task": "wordproblems",
    "model": "tiny",
    "backbone": "none-1x1-0",
    "problems": {"count": 4, "digest": "0"},
    "live": False,
}
RIGHT = {
    ("best_of_n", "sprm", 2, None, 0): "1100",
    ("best_of_n", "sprm", 2, None, 1): "1000",
    ("best_of_n", "sprm", 8, None, 0): "1110",
    ("adaptive", "sprm", 2, None, 0): "1111",
    ("pruned:keep=0.25", "sprm", 2, None, 0): "0000",
    ("best_of_n", "majority", 2, 50, 0): "1000",
}
"""Strategy, selector, k, budget, seed -> whether each of four problems is right."""
TOKENS = {"best_of_n": 20, "adaptive": 10, "pruned:keep=0.25": 15}
"""Of a problem at k = 2; at k = 8 four times as many."""


def cell(text: str, select: str, k: int, budget: int | None, seed: int, *, replayed: bool = True) -> Cell:
    """A cell with the strategy as text."""
    return Cell(contender=Contender.parse(text), select=select, k=k, budget=budget, seed=seed, replayed=replayed)


def rows(right: Sequence[bool | None], tokens: int, seconds: float | None = None) -> list[dict[str, Any]]:
    """One for each of `right`; problem i took i tokens more."""
    return [
        {
            "id": f"p{index}",
            "correct": correct,
            "tokens_generated": tokens + index,
            "tokens_prefilled": 7,
            "tokens_scored": 0,
            "forward_passes": 3,
            "seconds": seconds,
            "wall_seconds": None if seconds is None else seconds / 2,
        }
        for index, correct in enumerate(right)
    ]


def write(path: Path, *, seconds: float | None = None, graded: bool = True, unfinished: int = 0) -> Folder:
    """A folder of the cells of `RIGHT`, and of some that were not finished."""
    made = [cell(*key) for key in RIGHT]
    missing = [cell("esc", "majority", 2, None, seed) for seed in range(unfinished)]
    folder = Folder.create(path, RUN, [*made, *missing])
    folder.write_index()
    for one, right in zip(made, RIGHT.values(), strict=True):
        with folder.log(one, 4) as log:
            tokens = TOKENS[str(one.contender)] * one.k // 2
            log.write(rows([value == "1" if graded else None for value in right], tokens, seconds))
            log.finish()
    return folder
