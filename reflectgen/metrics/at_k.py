"""Accuracy at k: what is expected of k samples, over all k-subsets of the N that are stored. Exact, in closed form.

One number per problem, unbiased for k fresh samples. `correct` is (P, N) bool, `values` (P, N) float.
Source of pass@k: Chen et al., "Evaluating Large Language Models Trained on Code", arXiv 2107.03374.
"""

from __future__ import annotations

import math

import numpy as np

from reflectgen.metrics.arrays import Bools, Floats, Ints, check_k, check_known


def pass_at_1(correct: Bools) -> Floats:
    """Share of each problem's samples that are right: (P, N) -> (P,)."""
    shares: Floats = correct.mean(axis=1, dtype=np.float64)
    return shares


def pass_at_k(correct: Bools, k: int) -> Floats:
    """1 - C(N - c, k) / C(N, k) with c right samples: some sample of k is right; (P, N) -> (P,)."""
    n = check_k(correct, k)
    by_count = np.array([1 - math.comb(n - count, k) / math.comb(n, k) for count in range(n + 1)])
    chances: Floats = by_count[correct.sum(axis=1)]
    return chances


def best_of_k(correct: Bools | Floats, values: Floats, k: int) -> Floats:
    """The sample of largest value among k is right: (P, N), (P, N) -> (P,).

    The sample of rank r (0 the largest) is the largest of a k-subset with probability C(N - 1 - r, k - 1) / C(N, k). Ties
    are broken uniformly at random: samples of equal value share the probability of their ranks equally. `correct` may be
    the chance that a sample is right.
    """
    n = check_k(correct, k)
    check_known(values)
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
