"""Two runs over the same problems: paired differences of every way that both have, and which problems each of them wins.

Runs are compared that are of one kind (stores, or folders of cells), of one task, and share problems: each with the first of
them. Where backbone and prompt are the same too, a problem is the same only if its prompt is, in every token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reflectgen.errors import OptionError
from reflectgen.evaluate.report import Report
from reflectgen.evaluate.stored import Stored
from reflectgen.metrics import Floats, Interval, mean_interval, paired_difference, pass_at_1

Part = Stored | Report
Name = tuple[str, int, int | None]
"""A way, its k and its budget."""

TOLD = ("model", "backbone", "head", "engine", "dtype", "step_rule", "prompt", "sampling")
"""What runs may differ in."""
EDGES = (0.5, 0.1)
"""Gaps by which the problems that a run wins are counted."""
MOST = 5
"""Problems that are named of each run."""
LEVEL = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A problem, and how often each run was right on it."""

    problem: str
    first: float
    second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """One way under both runs."""

    way: str
    k: int
    budget: int | None
    first: Interval
    second: Interval
    difference: Interval
    """Second less first, paired by problem."""
    won: dict[str, int]
    """How many problems the second wins by at least .5, by .1, by less; how many are level; and those that the first wins."""
    gaps: tuple[Gap, ...]
    """The problems of the widest gaps: those that the second wins, then those that the first wins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A run beside an earlier one of the same task."""

    first: Path
    second: Path
    task: str
    problems: int
    """That both have."""
    only_first: int
    only_second: int
    differs: Mapping[str, tuple[Any, Any]]
    """What they differ in -> both values."""
    duels: tuple[Duel, ...]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "first": str(self.first), "second": str(self.second)}


def comparisons(parts: Sequence[Part], *, across_models: bool = False) -> list[Comparison]:
    """All that can be compared; raises `OptionError` where models differ and `across_models` does not allow it."""
    found, first_of = [], dict[tuple[type, str], list[Part]]()
    for part in parts:
        earlier = first_of.setdefault((type(part), part.run["task"]), [])
        for first in earlier:
            if shared := _shared(first, part):
                found.append(_comparison(first, part, shared, across_models=across_models))
                break
        else:
            earlier.append(part)
    return found


def _comparison(first: Part, second: Part, shared: Sequence[str], *, across_models: bool) -> Comparison:
    backbones = [part.run["backbone"] for part in (first, second)]
    if backbones[0] != backbones[1] and not across_models:
        raise OptionError(
            f"{first.folder} and {second.folder} hold the same problems for different models ({' against '.join(backbones)}): "
            "give --across-models to compare them all the same, or report them one by one."
        )
    ours, theirs = _by_way(first), _by_way(second)
    return Comparison(
        first=first.folder,
        second=second.folder,
        task=first.run["task"],
        problems=len(shared),
        only_first=len(_problems(first)) - len(shared),
        only_second=len(_problems(second)) - len(shared),
        differs={
            name: (first.run.get(name), second.run.get(name)) for name in TOLD if first.run.get(name) != second.run.get(name)
        },
        duels=tuple(_duel(name, shared, ours[name], theirs[name]) for name in ours if name in theirs),
    )


def _problems(part: Part) -> dict[str, int | None]:
    """Problem id -> hash of its prompt, None where that is not known."""
    if isinstance(part, Stored):
        traces = part.offline.traces
        return dict(zip(traces.problems, traces.hashes, strict=True))
    return dict.fromkeys(problem for found in part.correct.values() for problem in found)


def _shared(first: Part, second: Part) -> list[str]:
    ours, theirs = _problems(first), _problems(second)
    strict = all(first.run.get(name) == second.run.get(name) for name in ("backbone", "prompt"))
    return [name for name, hashed in ours.items() if name in theirs and not (strict and hashed != theirs[name])]


def _by_way(part: Part) -> dict[Name, Mapping[str, float]]:
    """Way -> problem id -> accuracy."""
    if isinstance(part, Report):
        graded = [(entry, known) for entry in part.entries if (known := part.of_problem(entry))]
        return {(f"{entry.strategy}, {entry.select}", entry.k, entry.budget): known for entry, known in graded}
    offline = part.offline
    single = {("one trace", 1, None): pass_at_1(offline.traces.correct)}
    chosen = {
        (str(way), k, None): offline.estimates[k][way].values
        for k in offline.ks
        for way in offline.ways
        if k > 1 and not way.aggregate
    }
    return {
        name: dict(zip(offline.traces.problems, values.tolist(), strict=True)) for name, values in (single | chosen).items()
    }


def _duel(name: Name, shared: Iterable[str], ours: Mapping[str, float], theirs: Mapping[str, float]) -> Duel:
    known = [problem for problem in shared if problem in ours and problem in theirs]
    first, second = (np.array([run[problem] for problem in known]) for run in (ours, theirs))
    way, k, budget = name
    return Duel(
        way=way,
        k=k,
        budget=budget,
        first=mean_interval(first),
        second=mean_interval(second),
        difference=paired_difference(second, first),
        won=_won(second - first),
        gaps=tuple(Gap(problem=known[index], first=first[index], second=second[index]) for index in _widest(second - first)),
    )


def _won(gaps: Floats) -> dict[str, int]:
    """How many problems each run wins, by how wide the gap is."""
    wide, narrow = EDGES
    found = {"level": int((np.abs(gaps) <= LEVEL).sum())}
    for run, lead in (("second", gaps), ("first", -gaps)):
        found[f"{run} by {wide} or more"] = int((lead >= wide).sum())
        found[f"{run} by {narrow} to {wide}"] = int(((lead >= narrow) & (lead < wide)).sum())
        found[f"{run} by less"] = int(((lead > LEVEL) & (lead < narrow)).sum())
    return found


def _widest(gaps: Floats) -> list[int]:
    """Places of the widest gaps of both signs, the widest first."""
    order = np.argsort(-gaps, kind="stable").tolist()
    won = [index for index in order if gaps[index] > LEVEL][:MOST]
    return won + [index for index in reversed(order) if gaps[index] < -LEVEL][:MOST]
