"""Votes among k samples: what is expected over all k-subsets of the N that are stored, exact or drawn with a stated error.

Shapes: P problems, N samples of each, W weightings, S subsets, C distinct answers of one problem. `correct` is (P, N) bool,
`answers` (P, N) int as `codes` makes it, `weights` (P, N) float.

Tied answers count by the share of them that is right, which is uniform tie-breaking in expectation; k samples without any
answer count as wrong. The samples of one answer are taken to be right in the share in which they are marked right.

Up to k = 2 the vote is the sample of the larger weight, in closed form. Beyond, all subsets are counted where there are at
most `EXACT` of them. Else permutations of the samples are drawn, the same for every problem, and each is cut into subsets
without common samples: a balanced incomplete U-statistic (Blom, "Some properties of incomplete U-statistics", Biometrika
63, 1976), whose error is less than that of as many independent subsets.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reflectgen.errors import InputError
from reflectgen.metrics.arrays import Bools, Floats, Ints, check_k
from reflectgen.metrics.at_k import best_of_k

NO_ANSWER = -1
"""Code of a sample that gave no answer: it casts no vote."""
EXACT = 5_000
"""Most k-subsets that votes are counted over one by one; where there are more, some of them are drawn."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number per problem, and how far the draw of subsets may have moved their mean."""

    values: Floats
    """(P,)."""
    error: float
    """Monte Carlo standard error of the mean of `values`; 0 where no subset was drawn."""


def codes(answers: Sequence[Sequence[Hashable | None]]) -> Ints:
    """Answers as integers, equal ones equal within a problem, counted from 0; `NO_ANSWER` for None: -> (P, N).

    Raises `InputError` where problems have different numbers of samples.
    """
    sizes = sorted({len(row) for row in answers})
    if len(sizes) > 1:
        raise InputError(f"Problems have {sizes[0]} to {sizes[-1]} samples: take {sizes[0]} of each, so that all have as many.")
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

    Where subsets are drawn, the standard error of each number is at most 0.5 / sqrt(draws); `votes_at_k` measures it.
    """
    (found,) = votes_at_k(correct, answers, weights[None], k, seed=seed, draws=draws)
    return found.values


def votes_at_k(correct: Bools, answers: Ints, weights: Floats, k: int, *, seed: int = 0, draws: int = 2_000) -> list[Estimate]:
    """`weighted_at_k` of several weightings (W, P, N) over the same subsets, each with its Monte Carlo error: (W)."""
    n = check_k(correct, k)
    right = _right_shares(correct, answers)
    if k <= 2:
        ranked = np.where(answers == NO_ANSWER, -np.inf, weights)
        return [Estimate(best_of_k(right, values, k), 0.0) for values in ranked]
    drawn = math.comb(n, k) > EXACT
    subsets = _drawn(n, k, seed, draws) if drawn else _all(n, k)  # (R, S / R, N)
    rounds = len(subsets)
    flat = subsets.reshape(-1, n)
    values, totals = np.zeros(weights.shape[:2]), np.zeros((len(weights), len(flat)))
    for problem, row in enumerate(zip(right, answers, np.moveaxis(weights, 1, 0), strict=True)):
        found = _vote(flat, *row)
        values[:, problem] = found.mean(axis=1)
        totals += found
    means = totals.reshape(len(weights), rounds, -1).mean(axis=2) / len(correct)  # (W, R)
    errors = means.std(axis=1, ddof=1) / math.sqrt(rounds) if drawn else np.zeros(len(weights))
    return [Estimate(*pair) for pair in zip(values, errors.tolist(), strict=True)]


def _vote(subsets: Floats, right: Floats, answers: Ints, weights: Floats) -> Floats:
    """Chance that the winner of each subset is right, for one problem: (S, N), (N,), (N,), (W, N) -> (W, S)."""
    voting = answers != NO_ANSWER
    if not right.any():
        return np.zeros((len(weights), len(subsets)))
    _, first = np.unique(answers[voting], return_index=True)
    members = (answers[:, None] == answers[voting][first]).astype(np.float64)  # (N, C)
    voted = (subsets @ members > 0)[:, None]  # (S, 1, C)
    ballots = (weights.T[:, :, None] * members[:, None]).reshape(len(members), -1)  # (N, W C)
    totals = (subsets @ ballots).reshape(len(subsets), len(weights), -1)  # (S, W, C)
    totals = np.where(voted, totals, -np.inf)
    best = totals.max(axis=2, keepdims=True)
    winners = (totals >= best - 1e-9 * np.abs(best)) & voted
    chances: Floats = (winners @ right[voting][first] / np.maximum(winners.sum(axis=2), 1)).T
    return chances


def _right_shares(correct: Bools, answers: Ints) -> Floats:
    """Of each sample, the share of its answer's samples that is right; 0 without an answer: (P, N) -> (P, N)."""
    place = np.arange(len(answers))[:, None] * (answers.max() + 2) + answers + 1
    counts, right = np.bincount(place.ravel()), np.bincount(place.ravel(), weights=correct.ravel())
    shares: Floats = np.where(answers == NO_ANSWER, 0.0, (right / np.maximum(counts, 1))[place])
    return shares


def _all(n: int, k: int) -> Floats:
    """Which of n samples each k-subset holds, as 0 and 1: (1, S, N)."""
    return _marked(np.array(list(combinations(range(n), k)))[None], n)


def _drawn(n: int, k: int, seed: int, draws: int) -> Floats:
    """At least `draws` subsets, n // k from a permutation: (R, n // k, N)."""
    each = n // k
    rounds = max(2, math.ceil(draws / each))
    mixed = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (rounds, 1)), axis=1)
    return _marked(mixed[:, : each * k].reshape(rounds, each, k), n)


def _marked(chosen: Ints, n: int) -> Floats:
    subsets = np.zeros((*chosen.shape[:-1], n))
    np.put_along_axis(subsets, chosen, 1.0, axis=-1)
    return subsets
