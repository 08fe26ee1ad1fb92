"""Numbers over stored samples: accuracy at k by several ways to choose, rank agreement, intervals. Pure, numpy only.

Shapes: P problems, N samples of each, S subsets, C distinct answers of one problem. `correct` is (P, N) bool, `values` and
`weights` are (P, N) float, `answers` is (P, N) int as `codes` makes it. What is measured at k is the expectation over all
k-subsets of the N samples, drawn without replacement: unbiased for k fresh samples. Estimators give one number per problem,
(P,); `interval` averages them and resamples whole problems, since the samples of one problem are not independent.

Sources: pass@k, Chen et al., "Evaluating Large Language Models Trained on Code", arXiv 2107.03374; AUC as the Mann-Whitney
statistic with midranks; Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from reflectgen.errors import InputError, OptionError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NO_ANSWER = -1
"""Code of a sample that gave no answer: it casts no vote."""
EXACT = 5_000
"""Most k-subsets that votes are counted over one by one; where there are more, `draws` of them are drawn."""

# -- accuracy at k -----------------------------------------------------------------------------------------------------


def pass_at_1(correct: Bools) -> Floats:
    """Share of each problem's samples that are right: (P, N) -> (P,)."""
    shares: Floats = correct.mean(axis=1, dtype=np.float64)
    return shares


def pass_at_k(correct: Bools, k: int) -> Floats:
    """1 - C(N - c, k) / C(N, k) with c right samples: some sample of k is right; (P, N) -> (P,)."""
    n = _checked(correct, k)
    by_count = np.array([1 - math.comb(n - count, k) / math.comb(n, k) for count in range(n + 1)])
    chances: Floats = by_count[correct.sum(axis=1)]
    return chances


def oracle(correct: Bools) -> Floats:
    """1 where any sample is right, else 0: pass@N; (P, N) -> (P,)."""
    return np.where(correct.any(axis=1), 1.0, 0.0)


def best_of_k(correct: Bools, values: Floats, k: int) -> Floats:
    """The sample of largest value among k is right: (P, N), (P, N) -> (P,), in closed form.

    The sample of rank r (0 the largest) is the largest of a k-subset with probability C(N - 1 - r, k - 1) / C(N, k). Ties
    are broken uniformly at random: samples of equal value share the probability of their ranks equally.
    """
    n = _checked(correct, k)
    _check_known(values)
    chances = np.array([math.comb(n - 1 - rank, k - 1) / math.comb(n, k) for rank in range(n)])
    order = np.argsort(-values, axis=1, kind="stable")
    sorted_values = np.take_along_axis(values, order, axis=1)
    sorted_correct = np.take_along_axis(correct, order, axis=1)
    ties = _tie_groups(sorted_values)
    chance_of_tie = np.bincount(ties.ravel(), weights=np.tile(chances, len(correct)))
    right_in_tie = np.bincount(ties.ravel(), weights=sorted_correct.ravel())
    shares = (chance_of_tie * right_in_tie / np.bincount(ties.ravel()))[ties]
    first_of_tie = np.diff(ties, axis=1, prepend=-1) != 0
    chances_right: Floats = np.where(first_of_tie, shares, 0.0).sum(axis=1)
    return chances_right


def _tie_groups(sorted_values: Floats) -> Ints:
    """Running number of each run of equal values, rows apart: (P, N) -> (P, N)."""
    begins = np.ones(sorted_values.shape, dtype=np.int64)
    begins[:, 1:] = sorted_values[:, 1:] != sorted_values[:, :-1]
    return begins.ravel().cumsum().reshape(begins.shape) - 1


def codes(answers: Sequence[Sequence[Hashable | None]]) -> Ints:
    """Answers as integers, equal ones equal within a problem, counted from 0; `NO_ANSWER` for None: -> (P, N)."""
    rows = []
    for row in answers:
        known: dict[Hashable, int] = {}
        rows.append([NO_ANSWER if answer is None else known.setdefault(answer, len(known)) for answer in row])
    return np.array(rows, dtype=np.int64)


def majority_at_k(correct: Bools, answers: Ints, k: int, *, seed: int = 0, draws: int = 2_000) -> Floats:
    """The most frequent answer among k samples is right: (P, N), (P, N) -> (P,). See `weighted_at_k`."""
    return weighted_at_k(correct, answers, np.ones(correct.shape), k, seed=seed, draws=draws)


def weighted_at_k(correct: Bools, answers: Ints, weights: Floats, k: int, *, seed: int = 0, draws: int = 2_000) -> Floats:
    """The answer of the largest summed weight among k samples is right: three times (P, N) -> (P,).

    Exact where there are at most `EXACT` k-subsets, else the mean over `draws` random ones, the same for every problem.
    Tied answers count by the share of them that is right, which is uniform tie-breaking in expectation; k samples without
    any answer count as wrong. The samples of one answer are taken to be right in the share in which they are marked right.
    """
    subsets = _subsets(_checked(correct, k), k, seed, draws)  # (S, N)
    rows = zip(correct, answers, weights, strict=True)
    return np.array([_vote(subsets, *row) for row in rows], dtype=np.float64)


def _vote(subsets: Floats, correct: Bools, answers: Ints, weights: Floats) -> float:
    """Mean correctness of the winners of all subsets for one problem: (S, N), then three times (N,)."""
    voting = answers != NO_ANSWER
    if not voting.any():
        return 0.0
    members = (answers[:, None] == np.unique(answers[voting])).astype(np.float64)  # (N, C)
    right = correct @ members / members.sum(axis=0)  # (C,)
    voters = subsets @ members  # (S, C)
    totals = np.where(voters > 0, subsets @ (members * weights[:, None]), -np.inf)
    best = totals.max(axis=1, keepdims=True)
    winners = (totals >= best - 1e-9 * np.abs(best)) & (voters > 0)
    return float((winners @ right / np.maximum(winners.sum(axis=1), 1)).mean())


def _subsets(n: int, k: int, seed: int, draws: int) -> Floats:
    """Which of n samples each subset holds, as 0 and 1: (S, N)."""
    if math.comb(n, k) <= EXACT:
        chosen = np.array(list(combinations(range(n), k)))
    else:
        chosen = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (draws, 1)), axis=1)[:, :k]
    subsets = np.zeros((len(chosen), n))
    np.put_along_axis(subsets, chosen, 1.0, axis=1)
    return subsets


def _checked(correct: Bools, k: int) -> int:
    """N, once k is known to lie in 1..N."""
    n = int(correct.shape[1])
    if not 1 <= k <= n:
        raise OptionError(f"k = {k} must lie between 1 and the {n} samples that are stored of each problem.")
    return n


def _check_known(values: Floats) -> None:
    if np.isnan(values).any():
        raise InputError("Some samples have no value (NaN): score them first, or give them -inf to rank them last.")


# -- rank agreement ----------------------------------------------------------------------------------------------------


def auc(correct: Bools, values: Floats) -> float:
    """Chance that a right sample has a larger value than a wrong one, ties counted half; NaN without samples of both.

    `correct` and `values` may have any one shape; all their elements are pooled.
    """
    _check_known(values)
    right = correct.ravel()
    positives = int(right.sum())
    negatives = right.size - positives
    if not positives or not negatives:
        return math.nan
    _, place, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    midranks = np.cumsum(counts) - (counts - 1) / 2
    rank_sum = float(midranks[place.ravel()][right].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def auc_within(correct: Bools, values: Floats) -> Floats:
    """AUC of each problem's own samples, NaN where all or none are right: (P, N), (P, N) -> (P,)."""
    return np.array([auc(*row) for row in zip(correct, values, strict=True)], dtype=np.float64)


# -- first errors ------------------------------------------------------------------------------------------------------

NO_ERROR = -1
"""Place of the first wrong step in a trace whose steps are all right."""


def first_error_f1(gold: Ints, found: Ints) -> float:
    """Harmonic mean of two accuracies at naming the first wrong step of a trace: (B,), (B,), counted from 0, or `NO_ERROR`.

    One is the share of the traces with an error whose first wrong step is found exactly, the other the share of those
    without in which none is found. NaN where one of the two kinds is missing. Source: ProcessBench, arXiv 2412.06559.
    """
    hit, wrong = gold == found, gold != NO_ERROR
    if wrong.all() or not wrong.any():
        return math.nan
    on_wrong, on_right = float(hit[wrong].mean()), float(hit[~wrong].mean())
    return 2 * on_wrong * on_right / (on_wrong + on_right) if on_wrong + on_right else 0.0


# -- intervals ---------------------------------------------------------------------------------------------------------


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


def interval(
    statistic: Callable[..., float], *arrays: NDArray[np.generic], seed: int = 0, resamples: int = 1_000, level: float = 0.95
) -> Interval:
    """Percentile bootstrap of `statistic(*arrays)`, whole problems (first axis) drawn with replacement.

    `interval(mean, pass_at_1(correct))` is an accuracy, `interval(auc, correct, values)` a pooled AUC. Resamples on which
    the statistic is NaN are left out.
    """
    problems = len(arrays[0])
    picks = np.random.default_rng(seed).integers(problems, size=(resamples, problems))
    spread = np.array([statistic(*(array[pick] for array in arrays)) for pick in picks])
    known = spread[~np.isnan(spread)]
    tail = (1 - level) / 2
    low, high = np.quantile(known, [tail, 1 - tail]) if known.size else (math.nan, math.nan)
    return Interval(estimate=statistic(*arrays), low=float(low), high=float(high))


def paired_difference(first: Floats, second: Floats, *, seed: int = 0, resamples: int = 1_000, level: float = 0.95) -> Interval:
    """Mean of first - second over the same problems, (P,) each, with its bootstrap interval."""
    return interval(mean, first - second, seed=seed, resamples=resamples, level=level)


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a proportion of independent trials, by default at 95 %; (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    share, spread = successes / trials, z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)
