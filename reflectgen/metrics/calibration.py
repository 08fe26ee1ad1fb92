"""Whether scores are probabilities: Brier score, reliability curve, expected calibration error.

`correct` is (P, N) bool and `scores` (P, N) float in [0, 1]: N samples of each of P problems. Bins are of equal mass: the
samples are sorted by score and cut into as many parts of one size, but equal scores stay together, so that there may be
fewer parts. Intervals are over problems (`reflectgen.metrics.intervals`).

Sources: Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78 (1950); Guo et al.,
"On Calibration of Modern Neural Networks", arXiv 1706.04599, for the expected calibration error, there with bins of equal
width; Nixon et al., "Measuring Calibration in Deep Learning", arXiv 1904.01685, for those of equal mass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reflectgen.metrics.arrays import Bools, Floats, Ints, check_known, members
from reflectgen.metrics.intervals import Interval, share_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Samples of about one score."""

    samples: int
    problems: int
    """How many problems they are of."""
    score: float
    """Their mean score."""
    right: Interval
    """Share of them that is right."""


def brier(correct: Bools, scores: Floats, counted: Bools | None = None) -> Floats:
    """Mean squared difference of score and outcome, of each problem: (P, N), (P, N) -> (P,); 0 is best, NaN of no sample."""
    among = members(correct, counted)
    check_known(scores[among])
    counts = among.sum(axis=1)
    sums = np.where(among, (scores - correct) ** 2, 0.0).sum(axis=1)
    losses: Floats = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return losses


def reliability(correct: Bools, scores: Floats, counted: Bools | None = None, *, bins: int = 10) -> list[Bin]:
    """Share of right samples against score, in at most `bins` bins of equal mass, by ascending score."""
    among = members(correct, counted)
    check_known(scores[among])
    ordered = np.sort(scores[among])
    edges = np.unique(ordered[np.arange(1, bins) * ordered.size // bins])  # the least score of each bin but the first
    place = np.searchsorted(edges, scores, side="right")  # (P, N)
    return [_bin(correct, scores, among & (place == index)) for index in np.unique(place[among])]


def expected_calibration_error(found: Sequence[Bin]) -> float:
    """Mean distance of score and share of right samples over the bins of a reliability curve, weighted by their samples.

    Noise alone makes it larger than 0: the fewer samples a bin has, the larger.
    """
    total = sum(one.samples for one in found)
    return sum(one.samples * abs(one.score - one.right.estimate) for one in found) / total


def _bin(correct: Bools, scores: Floats, inside: Bools) -> Bin:
    """Of the samples `inside` (P, N)."""
    counts: Ints = inside.sum(axis=1)
    right: Ints = (inside & correct).sum(axis=1)
    return Bin(
        samples=int(counts.sum()),
        problems=int((counts > 0).sum()),
        score=float(scores[inside].mean()),
        right=_ratio(right[counts > 0], counts[counts > 0]),
    )


def _ratio(tops: Ints, bottoms: Ints) -> Interval:
    """Sum of `tops` over sum of `bottoms`, (P,) each: a share whose parts are of whole problems, by linearisation."""
    problems, share = len(tops), float(tops.sum() / bottoms.sum())
    residuals = (tops - share * bottoms) / bottoms.mean()
    variance = float((residuals**2).sum() / max(1, problems - 1))
    return share_interval(share, variance, problems)
