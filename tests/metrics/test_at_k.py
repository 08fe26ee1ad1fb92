"""Accuracy at k against hand-worked numbers, enumeration and the published formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from metrics.drawn import Drawn, stores

from reflectgen import metrics
from reflectgen.errors import InputError, OptionError


def test_pass_at_k_by_hand() -> None:
    correct = np.array([[True, True, False, False], [False] * 4, [True] * 4])
    assert metrics.pass_at_1(correct).tolist() == [0.5, 0, 1]
    assert metrics.pass_at_k(correct, 1).tolist() == [0.5, 0, 1]
    assert metrics.pass_at_k(correct, 2) == pytest.approx([5 / 6, 0, 1])  # only one of six pairs has both wrong
    assert metrics.pass_at_k(correct, 4).tolist() == [1, 0, 1]


def test_pass_at_k_is_the_published_product() -> None:
    """arXiv 2107.03374, figure 3: 1 - prod over i = n - c + 1 .. n of (1 - k / i), and 1 where n - c < k."""
    n = 200
    correct = np.tril(np.ones((n + 1, n), dtype=bool), -1)  # row c has c right samples
    for k in (1, 10, 100, 200):
        expected = [1.0 if n - c < k else 1 - np.prod(1 - k / np.arange(n - c + 1, n + 1)) for c in range(n + 1)]
        assert metrics.pass_at_k(correct, k) == pytest.approx(expected)


def test_best_of_k_by_hand() -> None:
    correct = np.array([[True, False, True]])
    values = np.array([[0.1, 0.9, 0.5]])
    assert metrics.best_of_k(correct, values, 1) == pytest.approx([2 / 3])
    assert metrics.best_of_k(correct, values, 2) == pytest.approx([1 / 3])  # the wrong 0.9 wins in two pairs of three
    assert metrics.best_of_k(correct, values, 3) == pytest.approx([0])


@settings(max_examples=300)
@given(stores())
def test_they_are_the_means_over_all_subsets(store: Drawn) -> None:
    for k in range(1, store.samples + 1):
        assert metrics.pass_at_k(store.correct, k) == pytest.approx(store.over_subsets(k, store.some_right))
        assert metrics.best_of_k(store.correct, store.values, k) == pytest.approx(store.over_subsets(k, store.best_right))
    assert metrics.pass_at_1(store.correct) == pytest.approx(metrics.pass_at_k(store.correct, 1))
    assert metrics.pass_at_k(store.correct, store.samples).tolist() == store.correct.any(axis=1).tolist()


def test_chances_may_stand_for_outcomes() -> None:
    assert metrics.best_of_k(np.array([[0.5, 0.25]]), np.array([[1.0, 2.0]]), 2).tolist() == [0.25]


def test_values_of_minus_infinity_rank_last() -> None:
    assert metrics.best_of_k(np.array([[True, False]]), np.array([[-np.inf, 0.1]]), 2).tolist() == [0]


@pytest.mark.parametrize("k", [0, 5])
def test_k_beyond_the_samples_is_refused(k: int) -> None:
    correct, zeros = np.ones((2, 4), dtype=bool), np.zeros((2, 4))
    for estimate in (
        metrics.pass_at_k,
        lambda correct, k: metrics.best_of_k(correct, zeros, k),
        lambda correct, k: metrics.majority_at_k(correct, zeros.astype(np.int64), k),
    ):
        with pytest.raises(OptionError, match=f"k = {k} must lie between 1 and the 4 samples"):
            estimate(correct, k)


def test_missing_values_are_refused() -> None:
    with pytest.raises(InputError, match="no value"):
        metrics.best_of_k(np.array([[True, False]]), np.array([[0.1, np.nan]]), 1)
