"""Intervals over problems: the samples of one problem are not independent, so that problems are what is counted and drawn.

- `mean_interval` and `paired_difference`, for accuracies and what else lies between bounds: Wilson's interval with the
  effective number of problems, m (1 - m) / (s^2 / P), in place of the number of trials (Kish's design effect; after Korn and
  Graubard, "Confidence intervals for proportions with small expected number of positive counts", Survey Methodology 24,
  1998), and for differences Student's t with P - 1 degrees of freedom in place of z. For problems that are right or wrong,
  whose variance is known from their mean, it is Wilson's own.
- `interval`, for any statistic: the percentile bootstrap over problems.

Ours: where few problems are unlike the others, s^2 is too small more often than not, since most samples hold too few of
these. It is enlarged as if one more had been seen, s^2 (1 + 1 / n), where n = (sum y^2)^2 / sum y^4 counts the problems that
make up the spread: y is the distance from the nearer bound, or of a difference from 0. Where all problems are the same, s^2
says nothing at all, and the interval has room for a share of unlike ones as large as Wilson's bound for none among P: of 30
problems that are all right it is [.89, 1], and never a single point.

How often they hold the truth is measured in tests/metrics/test_coverage.py, and the table is in docs/report.md.

Sources: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927); Student's quantiles
by the expansion 26.7.5 of Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from reflectgen.metrics.arrays import Floats

SAME = 1e-12
"""Largest variance of numbers in [0, 1] that are all the same but for rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate between the ends of its confidence interval."""

    estimate: float
    low: float
    high: float


def mean(values: Floats) -> float:
    """Mean over the problems where the value is known (no NaN); NaN where none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def mean_interval(values: Floats, *, level: float = 0.95) -> Interval:
    """Mean of numbers in [0, 1], one per problem (P,), with its interval; NaN (unknown) ones are left out."""
    known = values[~np.isnan(values)]
    if not known.size:
        return Interval(estimate=math.nan, low=math.nan, high=math.nan)
    share = float(known.mean())
    variance = _variance(known, known if share < 0.5 else 1 - known)
    return share_interval(share, variance, known.size, level=level, quantile=_normal(level))


def paired_difference(first: Floats, second: Floats, *, level: float = 0.95) -> Interval:
    """Mean of first - second over the same problems, (P,) each and in [0, 1], with its interval; NaN as above."""
    differences = (first - second)[~np.isnan(first - second)]
    if not differences.size:
        return Interval(estimate=math.nan, low=math.nan, high=math.nan)
    shares = (differences + 1) / 2
    found = share_interval(float(shares.mean()), _variance(shares, differences), shares.size, level=level)
    return Interval(estimate=float(differences.mean()), low=2 * found.low - 1, high=2 * found.high - 1)


def _variance(values: Floats, distances: Floats) -> float:
    """Of numbers (P,), enlarged as if one more of those had been seen whose distances make up the spread."""
    fourth = float((distances**4).sum())
    if len(values) < 2 or not fourth:
        return 0.0
    return float(values.var(ddof=1)) * (1 + fourth / float((distances**2).sum()) ** 2)


def share_interval(
    share: float, variance: float, problems: int, *, level: float = 0.95, quantile: float | None = None
) -> Interval:
    """A share, of which one problem has this variance: Wilson's interval with the effective number of problems.

    `quantile` is that of the deviate; Student's where it is None.
    """
    share = min(1.0, max(0.0, share))
    largest = share * (1 - share)
    if problems < 2 or variance <= SAME:
        return unlike(share, problems, level=level)
    if variance >= largest:  # right or wrong ones
        return Interval(estimate=share, **_wilson(share, problems, _normal(level)))
    return Interval(estimate=share, **_wilson(share, largest * problems / variance, quantile or student(problems - 1, level)))


def unlike(share: float, problems: int, *, level: float = 0.95) -> Interval:
    """Of a share that all problems have alike: room for as many unlike ones as Wilson's bound allows for."""
    unseen = 1.0 if problems < 2 else _wilson(0.0, problems, _normal(level))["high"]
    return Interval(estimate=share, low=share - unseen * share, high=share + unseen * (1 - share))


def interval(
    statistic: Callable[..., float], *arrays: NDArray[np.generic], seed: int = 0, resamples: int = 1_000, level: float = 0.95
) -> Interval:
    """Percentile bootstrap of `statistic(*arrays)`, whole problems (first axis) drawn with replacement.

    For numbers without bounds, such as tokens, and for ratios. Resamples on which the statistic is NaN are left out. It is a
    single point where all problems are the same, and a little narrow for 30 problems and fewer: of means of accuracies use
    `mean_interval`, of an AUC `auc_interval`.
    """
    problems = len(arrays[0])
    picks = np.random.default_rng(seed).integers(problems, size=(resamples, problems))
    spread = np.array([statistic(*(array[pick] for array in arrays)) for pick in picks])
    known = spread[~np.isnan(spread)]
    tail = (1 - level) / 2
    low, high = np.quantile(known, [tail, 1 - tail]) if known.size else (math.nan, math.nan)
    return Interval(estimate=statistic(*arrays), low=float(low), high=float(high))


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a proportion of independent trials, by default at 95 %; (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    found = _wilson(successes / trials, trials, z)
    return found["low"], found["high"]


def _wilson(share: float, trials: float, z: float) -> dict[str, float]:
    """Its ends; the number of trials need not be whole."""
    spread = z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / trials + spread / (4 * trials)) / (1 + spread)
    return {"low": max(0.0, centre - half), "high": min(1.0, centre + half)}


def student(freedom: int, level: float = 0.95) -> float:
    """The t that Student's distribution with so many degrees of freedom exceeds in (1 - level) / 2 of the cases.

    Exact for one and two; within 0.5 % for three, 0.05 % for five and 1e-5 from 15 on.
    """
    chance = (1 + level) / 2
    if freedom == 1:
        return math.tan(math.pi * (chance - 0.5))
    if freedom == 2:
        return (2 * chance - 1) * math.sqrt(2 / (4 * chance * (1 - chance)))
    z = _normal(level)
    terms: tuple[float, ...] = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / float(freedom) ** power for power, term in enumerate(terms, start=1))


def _normal(level: float) -> float:
    """The z that a normal deviate exceeds in (1 - level) / 2 of the cases."""
    return NormalDist().inv_cdf((1 + level) / 2)
