"""What scores are worth: how they rank, whether they are probabilities, and how they run along a trace.

The scores are the trajectory scores that a store holds. Ranks are measured of every value that takes the best of k. Traces
that failed were not graded to their end and are never chosen: all figures leave them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from reflectgen import metrics
from reflectgen.evaluate.offline import Offline
from reflectgen.evaluate.traces import Traces
from reflectgen.evaluate.ways import Way
from reflectgen.metrics import Bin, Floats, Interval, Ints
from reflectgen.select import parse

BARS, PLACES = 20, 10
"""Bars of the histogram over [0, 1], and parts of a trace by relative position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """How well a value tells right traces from wrong ones."""

    way: Way
    pooled: Interval
    """AUC over all traces that ended."""
    within: Interval
    """AUC among the traces of one problem, the mean over those with right and wrong ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A tenth of a trace, and the mean score of the steps that end there; NaN where there is none."""

    start: float
    right: Interval
    """Of traces that are right."""
    wrong: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Figures of a store; those of scores are empty where no head graded it."""

    mixed: int
    """Problems with right and wrong traces: only these have an AUC within."""
    ranks: tuple[Rank, ...]
    brier: Interval | None
    bins: tuple[Bin, ...]
    """The reliability curve."""
    error: float | None
    """Expected calibration error over `bins`."""
    right: tuple[int, ...]
    """Right traces in each bar of the histogram."""
    wrong: tuple[int, ...]
    along: tuple[Place, ...]

    @classmethod
    def of(cls, offline: Offline) -> Self:
        """Over all traces of each problem that ended."""
        traces = offline.traces
        ranked = [way for way in offline.ways if not parse(way.select).votes]
        right, wrong = traces.ended & traces.correct, traces.ended & ~traces.correct
        known = (traces.correct, traces.score, traces.ended)
        graded = traces.graded
        bins = metrics.reliability(*known) if graded else []
        return cls(
            mixed=int((right.any(axis=1) & wrong.any(axis=1)).sum()),
            ranks=tuple(_rank(way, traces, offline.values[way]) for way in ranked),
            brier=metrics.mean_interval(metrics.brier(*known)) if graded else None,
            bins=tuple(bins),
            error=metrics.expected_calibration_error(bins) if graded else None,
            right=_bars(traces.score[right]) if graded else (),
            wrong=_bars(traces.score[wrong]) if graded else (),
            along=tuple(_along(traces)) if graded else (),
        )

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "ranks": [{**asdict(one), "way": str(one.way)} for one in self.ranks]}


def _rank(way: Way, traces: Traces, values: Floats) -> Rank:
    known = (traces.correct, values, traces.ended)
    return Rank(way=way, pooled=metrics.auc_interval(*known), within=metrics.mean_interval(metrics.auc_within(*known)))


def _bars(scores: Floats) -> tuple[int, ...]:
    counts, _ = np.histogram(scores, bins=BARS, range=(0, 1))
    return tuple(counts.tolist())


def _along(traces: Traces) -> list[Place]:
    """Means over problems; step i of n stands at (i + 1/2) / n."""
    trace: Ints = traces.steps["trace"]
    counts = np.bincount(trace, minlength=traces.correct.size)
    first = np.cumsum(counts) - counts
    place = ((np.arange(len(trace)) - first[trace] + 0.5) / counts[trace] * PLACES).astype(np.int64)
    scores = traces.steps["score"].astype(np.float64)
    right = traces.correct.ravel()[trace]
    known = ~np.isnan(scores) & traces.ended.ravel()[trace]
    kinds = [_by_place(traces, trace[kind], place[kind], scores[kind]) for kind in (known & right, known & ~right)]
    return [Place(start=index / PLACES, right=one, wrong=two) for index, (one, two) in enumerate(zip(*kinds, strict=True))]


def _by_place(traces: Traces, trace: Ints, place: Ints, scores: Floats) -> Sequence[Interval]:
    """Of some steps, the mean score at each place."""
    problems = len(traces.problems)
    cell = trace // traces.samples * PLACES + place
    sums, counts = (np.bincount(cell, weights=values, minlength=problems * PLACES) for values in (scores, np.ones(len(cell))))
    means = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0).reshape(problems, PLACES)
    return [metrics.mean_interval(means[:, index]) for index in range(PLACES)]
