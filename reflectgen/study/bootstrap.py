"""Intervals by resampling whole problems, the same resamples for every figure, so that differences are paired.

Every figure here is a ratio of sums over problems, or made of such: a resample is a vector of counts, one a problem, and
all resamples of a figure are one matrix product. The resamples are those of `metrics.interval` with the same seed.

Shapes: P problems, B traces, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reflectgen.metrics import Bools, Floats, Interval, Ints


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure, and what it is on each resample."""

    estimate: float
    resampled: Floats
    """(R,); NaN where a resample does not define it."""

    def __sub__(self, other: Spread) -> Spread:
        """The difference, paired."""
        return Spread(self.estimate - other.estimate, self.resampled - other.resampled)

    def interval(self, level: float = 0.95) -> Interval:
        """With its percentile interval."""
        known = self.resampled[~np.isnan(self.resampled)]
        tail = (1 - level) / 2
        low, high = np.quantile(known, [tail, 1 - tail]) if known.size else (math.nan, math.nan)
        return Interval(estimate=self.estimate, low=float(low), high=float(high))


class Bootstrap:
    """Resamples of P problems."""

    def __init__(self, problems: int, *, seed: int = 0, resamples: int = 1000) -> None:
        picks = np.random.default_rng(seed).integers(problems, size=(resamples, problems))
        drawn = np.stack([np.bincount(pick, minlength=problems) for pick in picks])
        self._counts = np.concatenate([np.ones((1, problems)), drawn])  # (1 + R, P): all problems once, then the resamples

    def ratio(self, top: Floats, bottom: Floats) -> Spread:
        """Sum of `top` over sum of `bottom`, (P,) each; NaN where the latter is 0."""
        return _spread(self._counts @ top, self._counts @ bottom)

    def mean(self, values: Floats) -> Spread:
        """Mean over the problems where the value (P,) is known (no NaN)."""
        known = ~np.isnan(values)
        return self.ratio(np.where(known, values, 0.0), known.astype(np.float64))

    def auc(self, correct: Bools, values: Floats, rows: Sequence[Ints]) -> Spread:
        """AUC over all traces (B,); `rows` are the traces of each problem (P).

        Of two problems, wins[p, q] counts the right traces of p above wrong ones of q, ties half: with counts c the AUC is
        c' wins c / (c' right)(c' wrong).
        """
        wins = _wins(correct, values, rows)
        right = np.array([correct[some].sum() for some in rows], dtype=np.float64)
        wrong = np.array([len(some) for some in rows]) - right
        return _spread((self._counts @ wins * self._counts).sum(axis=1), (self._counts @ right) * (self._counts @ wrong))

    def harmonic_mean(self, one: Spread, other: Spread) -> Spread:
        """2 a b / (a + b) of two figures, 0 where both are."""
        first, second = (np.array([spread.estimate, *spread.resampled]) for spread in (one, other))
        total = first + second
        return _spread(2 * first * second, np.where(total == 0, 1.0, total))


def _spread(top: Floats, bottom: Floats) -> Spread:
    values = np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom != 0)
    return Spread(float(values[0]), values[1:])


def _wins(correct: Bools, values: Floats, rows: Sequence[Ints]) -> Floats:
    """(P, P)."""
    place = np.repeat(np.arange(len(rows)), [len(some) for some in rows])
    order = np.concatenate(rows)
    right, wrong = order[correct[order]], order[~correct[order]]
    of_right, of_wrong = place[correct[order]], place[~correct[order]]
    wins = np.zeros((len(rows), len(rows)))
    for trace, problem in zip(right, of_right, strict=True):
        against = (values[trace] > values[wrong]) + 0.5 * (values[trace] == values[wrong])
        wins[problem] += np.bincount(of_wrong, weights=against, minlength=len(rows))
    return wins
