"""How well values tell right samples from wrong ones: AUC as the Mann-Whitney statistic, ties counted half.

The interval of a pooled AUC is over problems, whose samples are not independent: a jackknife leaves out one problem at a
time, in closed form (after Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 53, 1997), and the
interval is Student's on the scale of the logit, so that it stays between 0 and 1.
"""

from __future__ import annotations

import math

import numpy as np

from reflectgen.metrics.arrays import Bools, Floats, Ints, check_known, members
from reflectgen.metrics.intervals import SAME, Interval, student, unlike
from reflectgen.scoring import sigmoid


def auc(correct: Bools, values: Floats) -> float:
    """Chance that a right sample has a larger value than a wrong one, ties counted half; NaN without samples of both.

    `correct` and `values` may have any one shape; all their elements are pooled.
    """
    right = correct.ravel()
    pairs = int(right.sum()) * int((~right).sum())
    wins = _wins(right, values.ravel(), np.zeros(right.size, dtype=np.int64))
    return float(wins[right].sum() / pairs) if pairs else math.nan


def auc_within(correct: Bools, values: Floats, counted: Bools | None = None) -> Floats:
    """AUC of each problem's own samples, NaN where all or none are right: (P, N), (P, N) -> (P,)."""
    among = members(correct, counted)
    right, problem = correct[among], np.nonzero(among)[0]
    wins = np.bincount(problem[right], weights=_wins(right, values[among], problem)[right], minlength=len(correct))
    pairs = (among & correct).sum(axis=1) * (among & ~correct).sum(axis=1)
    shares: Floats = np.divide(wins, pairs, out=np.full(len(correct), math.nan), where=pairs > 0)
    return shares


def auc_interval(correct: Bools, values: Floats, counted: Bools | None = None, *, level: float = 0.95) -> Interval:
    """`auc` of all samples with its interval over the problems that have any: (P, N), (P, N).

    All values in order, or all of them equal, is treated as in `reflectgen.metrics.intervals`. The interval is [0, 1] where
    one problem alone has all right or all wrong samples, NaN without samples of both.
    """
    among = members(correct, counted)
    right, count = correct[among], int(among.any(axis=1).sum())
    _, problem = np.unique(np.nonzero(among)[0], return_inverse=True)  # numbered without gaps
    pooled, own = (_wins(right, values[among], group) for group in (np.zeros_like(problem), problem))
    above, below, within = (
        np.bincount(problem[kind], weights=wins[kind], minlength=count)
        for kind, wins in ((right, pooled), (~right, pooled), (right, own))
    )
    rights, wrongs = (np.bincount(problem[kind], minlength=count) for kind in (right, ~right))
    pairs = rights.sum() * wrongs.sum()
    if not pairs:
        return Interval(estimate=math.nan, low=math.nan, high=math.nan)
    estimate = float(above.sum() / pairs)
    left = (rights.sum() - rights) * (wrongs.sum() - wrongs)
    if count < 2 or not left.all():
        return Interval(estimate=estimate, low=0.0, high=1.0)
    without = (above.sum() - above - below + within) / left
    variance = float(((without - without.mean()) ** 2).sum() * (count - 1) / count)
    if variance * count <= SAME or estimate in (0.0, 1.0):
        return unlike(estimate, count, level=level)
    centre = math.log(estimate / (1 - estimate))
    half = student(count - 1, level) * math.sqrt(variance) / (estimate * (1 - estimate))
    low, high = (sigmoid(end) for end in (centre - half, centre + half))
    return Interval(estimate=estimate, low=low, high=high)


def _wins(right: Bools, values: Floats, group: Ints) -> Floats:
    """Of each sample, the opponents of its group that it stands rightly to, ties half: (B,), (B,), (B,) -> (B,).

    Those of a right sample are the wrong ones with a smaller value, those of a wrong one the right ones with a larger value.
    """
    check_known(values)
    _, rank = np.unique(values, return_inverse=True)
    _, place = np.unique(group * (rank.max(initial=0) + 1) + rank, return_inverse=True)  # by group, then by value
    rights, wrongs = (np.bincount(place, weights=kind) for kind in (right, ~right))
    rights_until = np.bincount(group, weights=right).cumsum()  # to the end of each group
    wrongs_before = np.bincount(group, weights=~right).cumsum() - np.bincount(group, weights=~right)
    below = (wrongs.cumsum() - wrongs / 2)[place] - wrongs_before[group]
    above = rights_until[group] - (rights.cumsum() - rights / 2)[place]
    return np.where(right, below, above)
