"""What `reflectgen processbench` was asked for, and what a person sees of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rich.table import Table

from reflectgen.commands.live import open_model
from reflectgen.commands.progress import progress
from reflectgen.commands.show import console
from reflectgen.errors import InputError, unknown
from reflectgen.evaluate.processbench import grade, measure
from reflectgen.tasks.hub import find
from reflectgen.tasks.processbench import SPLITS, TASK, load
from reflectgen.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The solutions of each split that is there."""

    tune: str
    splits: Mapping[str, Sequence[Problem]]

    @classmethod
    def load(cls, data: Path | None, tune: str, limit: int | None) -> Self:
        """From the publisher's folder; raises `InputError` where there is no split beside the one to choose on."""
        if tune not in SPLITS:
            raise unknown("split", tune, SPLITS)
        folder = find(TASK, data, "all")
        if folder is None or not folder.is_dir():
            raise InputError(f"{folder} is no folder: give the one that holds {tune}.json and another split of ProcessBench.")
        there = [split for split in SPLITS if split == tune or (folder / f"{split}.json").exists()]
        if there == [tune]:
            raise InputError(f"The folder {folder} holds no split beside {tune}: there is nothing to report.")
        return cls(tune=tune, splits={split: load(folder, split, limit, 0) for split in there})


def run(asked: Asked, loading: Mapping[str, Any]) -> dict[str, Any]:
    """Grade all splits, choose the threshold on one, and measure the others."""
    graded = {}
    with open_model(**loading) as model, progress(sum(map(len, asked.splits.values()))) as show:
        done = 0
        for split, problems in asked.splits.items():
            graded[split] = grade(model, problems, lambda number, done=done, split=split: show(done + number, split))  # type: ignore[misc]
            done += len(problems)
    threshold = graded[asked.tune].best_threshold()
    measures = [measure(split, graded[split], threshold).plain() for split in graded if split != asked.tune]
    return {"model": str(loading["model"]), "tuned_on": asked.tune, "threshold": threshold, "splits": measures}


def print_measures(found: Mapping[str, Any]) -> None:
    """One line a split."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("split")
    for name in ("solutions", "F1", "95 %", "errors found", "right ones passed"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found["splits"]:
        f1 = one["f1"]
        shares = (f"{100 * f1['estimate']:.1f}", f"{100 * f1['low']:.1f} to {100 * f1['high']:.1f}")
        accuracies = (f"{100 * one['on_wrong']:.1f}", f"{100 * one['on_right']:.1f}")
        table.add_row(one["split"], f"{one['solutions']:,}", *shares, *accuracies)
    out = console()
    out.print(table)
    out.print(f"A step is wrong below {found['threshold']:.4f}, the best threshold on {found['tuned_on']}.", markup=False)
