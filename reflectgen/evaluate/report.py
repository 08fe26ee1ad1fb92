"""What a folder of cells comes to: accuracy against cost of every way to search and to choose, without any model.

Of each problem the seeds are averaged; means are over problems, and so are the 95 % intervals (`reflectgen.metrics.intervals`).
Differences and shares are paired: of the same problems, against best-of-n with the same selector, k and budget.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from reflectgen.errors import InputError
from reflectgen.evaluate.cells import Cell, Contender, Folder
from reflectgen.metrics import Floats, Interval, interval, mean, mean_interval, paired_difference
from reflectgen.model.atomic import write_text
from reflectgen.rows import Row
from reflectgen.search.choice import Frontier, Point

REFERENCE = Contender("best_of_n")
"""What every way is compared with; it has no settings."""
MEASURED = ("tokens_generated", "tokens_prefilled", "tokens_scored", "forward_passes", "seconds", "wall_seconds")
"""Fields of a cell's rows that hold numbers."""

Way = tuple[str, str, int, int | None]
"""Key of a strategy with its settings, a selector, a k and a budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One way to search and to choose, over all its seeds. What is not known or was not measured is None."""

    contender: Contender
    select: str
    k: int
    budget: int | None
    seeds: tuple[int, ...]
    replayed: bool
    accuracy: Interval | None
    tokens: Interval
    """Mean tokens generated for a problem."""
    prefilled: float | None
    """Mean tokens fed without being drawn."""
    scored: float | None
    """Mean tokens that a second model re-read."""
    passes: float | None
    """Mean forward passes."""
    seconds: Interval | None
    """Mean seconds from a problem's first request to its last token, beside others of its chunk."""
    wall_seconds: Interval | None
    """Mean seconds of wall clock for a problem, where many are solved at once: the whole run's, divided."""
    gain: Interval | None = None
    """Accuracy less that of best-of-n."""
    share: Interval | None = None
    """Mean tokens as a share of those of best-of-n."""
    efficient: bool = False
    """Whether no other way is more accurate for as few tokens, or as accurate for fewer."""

    @property
    def strategy(self) -> str:
        """The strategy and its settings."""
        return str(self.contender)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        values = asdict(self)
        del values["contender"]
        return {"strategy": self.contender.strategy, "settings": dict(self.contender.settings), **values}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All ways whose cells are finished, in the order in which they were run."""

    folder: Path
    run: dict[str, Any]
    """What all cells have in common."""
    entries: tuple[Entry, ...]
    missing: int
    """Cells that are not finished."""
    machines: tuple[Mapping[str, Any], ...] = ()
    """Those that ran the cells, as far as they are known."""
    correct: Mapping[Way, Mapping[str, float]]
    """Way -> problem id -> share of the seeds that were right; what was not graded is left out."""

    @classmethod
    def of(cls, path: Path) -> Self:
        """From a folder; raises `InputError` where it holds no finished cell, or a row is wrong."""
        folder = Folder.open(path)
        ways: dict[Way, list[Cell]] = {}
        for cell in folder.cells:
            if folder.has(cell):
                ways.setdefault((cell.contender.key, cell.select, cell.k, cell.budget), []).append(cell)
        if not ways:
            raise InputError(f"The folder {path} holds no finished cell: let reflectgen eval go on with it.")
        measured = {way: _Measured.of(folder, cells) for way, cells in ways.items()}
        entries = {way: _entry(ways[way], found, measured.get((REFERENCE.key, *way[1:]))) for way, found in measured.items()}
        return cls(
            folder=path,
            run=dict(folder.run),
            entries=tuple(_marked(list(entries.values()))),
            missing=len(folder.cells) - sum(map(len, ways.values())),
            machines=tuple(folder.machines),
            correct={
                way: dict(zip(found.ids, found.correct.tolist(), strict=True))
                for way, found in measured.items()
                if found.correct is not None
            },
        )

    @property
    def title(self) -> str:
        """What it is of, in a line."""
        counts = sorted({len(entry.seeds) for entry in self.entries})
        seeds = "1 seed" if counts == [1] else f"{' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} seeds"
        run = self.run
        return f"{Path(run['model']).name} on {run['task']}, {run['problems']['count']:,} problems, {seeds}"

    @property
    def notes(self) -> list[str]:
        """What a reader must know before ways are compared."""
        found = []
        seeds = Counter(entry.seeds for entry in self.entries)
        if len(seeds) > 1:
            told = "; ".join(f"{', '.join(map(str, some))} ({count} of the ways)" for some, count in seeds.items())
            found.append(f"Ways were run with different seeds, so that they differ by chance too: {told}.")
        if len(self.machines) > 1 and any(entry.seconds for entry in self.entries):
            told = "; ".join(", ".join(f"{name} {value}" for name, value in one.items()) for one in self.machines)
            found.append(f"Seconds were measured on {len(self.machines)} machines: {told}.")
        if self.missing:
            found.append(f"{self.missing} cells are not finished: the command that began them goes on.")
        return found

    def of_problem(self, entry: Entry) -> Mapping[str, float]:
        """Problem id -> share of the seeds that were right; nothing where the way was not graded."""
        return self.correct.get((entry.contender.key, entry.select, entry.k, entry.budget), {})

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": "eval",
            "folder": str(self.folder),
            "run": self.run,
            "machines": list(self.machines),
            "missing": self.missing,
            "notes": self.notes,
            "entries": [entry.plain() for entry in self.entries],
        }

    def frontier(self) -> Frontier:
        """For the strategy "auto", which has no settings and no budget: the ways without either.

        Raises `InputError` where there is none whose accuracy is known.
        """
        points = tuple(
            Point(
                task=self.run["task"],
                strategy=entry.contender.strategy,
                select=entry.select,
                k=entry.k,
                accuracy=entry.accuracy.estimate,
                tokens=entry.tokens.estimate,
            )
            for entry in self.entries
            if entry.accuracy is not None and not entry.contender.settings and entry.budget is None
        )
        if not points:
            raise InputError(f"No strategy without settings and budget was graded in {self.folder}: there is nothing to write.")
        return Frontier(backbone=self.run["backbone"], points=points)

    def write_frontier(self, path: Path) -> None:
        """Write `frontier` as JSON, all or nothing; raises `InputError` where the disk refuses."""
        write_text(path, json.dumps(self.frontier().model_dump(mode="json"), indent=2) + "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """Means over seeds, one number per problem; None where it is not known of every row."""

    ids: tuple[str, ...]
    correct: Floats | None
    tokens: Floats
    prefilled: Floats | None
    scored: Floats | None
    passes: Floats | None
    seconds: Floats | None
    wall_seconds: Floats | None

    @classmethod
    def of(cls, folder: Folder, cells: Sequence[Cell]) -> Self:
        """From the rows of cells that differ in the seed alone."""
        rows = [folder.rows(cell) for cell in cells]
        _check(folder, rows)
        tokens = _means(rows, "tokens_generated")
        assert tokens is not None, "_check has seen to it"
        return cls(
            ids=tuple(row.text("id") for row in rows[0]),
            correct=_means(rows, "correct"),
            tokens=tokens,
            prefilled=_means(rows, "tokens_prefilled"),
            scored=_means(rows, "tokens_scored"),
            passes=_means(rows, "forward_passes"),
            seconds=_means(rows, "seconds"),
            wall_seconds=_means(rows, "wall_seconds"),
        )


def _check(folder: Folder, rows: Sequence[Sequence[Row]]) -> None:
    """Raise `InputError` where these are not the rows of the folder's problems."""
    count = folder.run["problems"]["count"]
    for found in rows:
        if len(found) != count:
            path = found[0].path if found else folder.path
            raise InputError(f"The file {path} has {len(found)} rows and should have {count}: remove it and run it again.")
        for row, first in zip(found, rows[0], strict=True):
            if row.text("id") != first.text("id"):
                raise row.fault(f"the problem is '{row.text('id')}' and should be '{first.text('id')}': run it again.")
            if row.values.get("tokens_generated") is None:
                raise row.fault("the field 'tokens_generated' is missing: run it again.")
            for name in MEASURED:
                if not isinstance(row.values.get(name), int | float | None):
                    raise row.fault(f"the field '{name}' must be a number: run it again.")
            if not isinstance(row.values.get("correct"), bool | None):
                raise row.fault("the field 'correct' must be true, false or null: run it again.")


def _means(rows: Sequence[Sequence[Row]], name: str) -> Floats | None:
    values = [[row.values.get(name) for row in found] for found in rows]
    if any(value is None for found in values for value in found):
        return None
    means: Floats = np.array(values, dtype=np.float64).mean(axis=0)
    return means


def _entry(cells: Sequence[Cell], found: _Measured, reference: _Measured | None) -> Entry:
    first = cells[0]
    compared = reference if reference is not found else None
    gain = share = None
    if compared is not None:
        share = interval(_ratio, found.tokens, compared.tokens)
        if found.correct is not None and compared.correct is not None:
            gain = paired_difference(found.correct, compared.correct)
    return Entry(
        contender=first.contender,
        select=first.select,
        k=first.k,
        budget=first.budget,
        seeds=tuple(cell.seed for cell in cells),
        replayed=first.replayed,
        accuracy=None if found.correct is None else mean_interval(found.correct),
        tokens=interval(mean, found.tokens),
        prefilled=_mean(found.prefilled),
        scored=_mean(found.scored),
        passes=_mean(found.passes),
        seconds=_interval(found.seconds),
        wall_seconds=_interval(found.wall_seconds),
        gain=gain,
        share=share,
    )


def _interval(values: Floats | None) -> Interval | None:
    return None if values is None else interval(mean, values)


def _mean(values: Floats | None) -> float | None:
    return None if values is None else mean(values)


def _ratio(first: Floats, second: Floats) -> float:
    return float(first.sum() / second.sum())


def _marked(entries: list[Entry]) -> list[Entry]:
    """With those marked that nothing beats."""
    return [replace(entry, efficient=not any(_beats(other, entry) for other in entries)) for entry in entries]


def _beats(one: Entry, other: Entry) -> bool:
    """Whether `one` is at least as accurate for at most as many tokens, and better in one of them."""
    if one.accuracy is None or other.accuracy is None:
        return one is other  # what was not graded is not marked
    ours, theirs = (one.accuracy.estimate, -one.tokens.estimate), (other.accuracy.estimate, -other.tokens.estimate)
    return ours != theirs and ours[0] >= theirs[0] and ours[1] >= theirs[1]
