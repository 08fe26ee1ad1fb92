"""AUC against counts over all pairs, and its interval against a jackknife that leaves out problem after problem."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from metrics.drawn import Drawn, stores

from reflectgen import metrics
from reflectgen.errors import InputError
from reflectgen.metrics.intervals import student


def pairwise(correct: metrics.Bools, values: metrics.Floats) -> float:
    """The definition: share of the pairs of a right and a wrong sample that are in order, ties half."""
    right, wrong = values[correct], values[~correct]
    wins = [(r > w) + 0.5 * (r == w) for r in right for w in wrong]
    return sum(wins) / len(wins) if wins else math.nan


def test_auc_by_hand() -> None:
    correct = np.array([True, False, True, False])
    assert metrics.auc(correct, np.array([0.9, 0.1, 0.4, 0.4])) == pytest.approx(3.5 / 4)
    assert metrics.auc(correct, np.zeros(4)) == 0.5
    assert math.isnan(metrics.auc(np.ones(3, dtype=bool), np.zeros(3)))


@settings(max_examples=200)
@given(stores(most_problems=6))
def test_they_are_counts_over_all_pairs(store: Drawn) -> None:
    assert metrics.auc(store.correct, store.values) == pytest.approx(pairwise(store.correct, store.values), nan_ok=True)
    alone = [pairwise(*row) for row in zip(store.correct, store.values, strict=True)]
    assert metrics.auc_within(store.correct, store.values) == pytest.approx(alone, nan_ok=True)
    found = metrics.auc_interval(store.correct, store.values)
    assert found.estimate == pytest.approx(pairwise(store.correct, store.values), nan_ok=True)
    assert math.isnan(found.estimate) or 0 <= found.low <= found.estimate <= found.high <= 1


def test_the_interval_is_that_of_the_jackknife() -> None:
    rng = np.random.default_rng(0)
    correct = rng.random((12, 5)) < 0.5
    values = correct + rng.normal(size=(12, 5)).round(1)
    without = [metrics.auc(np.delete(correct, p, axis=0), np.delete(values, p, axis=0)) for p in range(12)]
    estimate, error = metrics.auc(correct, values), math.sqrt(11 / 12 * np.square(without - np.mean(without)).sum())
    centre, half = math.log(estimate / (1 - estimate)), student(11) * error / (estimate * (1 - estimate))
    ends = [1 / (1 + math.exp(-(centre + sign * half))) for sign in (-1, 1)]
    found = metrics.auc_interval(correct, values)
    assert (found.estimate, found.low, found.high) == pytest.approx((estimate, *ends))


def test_where_all_is_in_order_the_interval_is_no_point() -> None:
    correct = np.tile([True, False], (30, 1))
    found = metrics.auc_interval(correct, correct.astype(float))
    assert found.estimate == found.high == 1 and 0.85 < found.low < 0.9
    tied = metrics.auc_interval(correct, np.zeros(correct.shape))
    assert tied.estimate == 0.5 and tied.low < 0.45 and tied.high > 0.55
    alone = metrics.auc_interval(np.array([[True, False], [False, False]]), np.array([[0.9, 0.1], [0.2, 0.3]]))
    assert (alone.estimate, alone.low, alone.high) == (1, 0, 1)  # without the first problem there is no right sample


def test_an_interval_of_almost_all_out_of_order_is_wide_and_no_overflow() -> None:
    """The ends lie hundreds of logits away, where `exp` has no number."""
    correct = np.zeros((2, 256), dtype=bool)
    correct[0, :128] = correct[1, 0] = True
    values = np.where(correct, 0.0, 1.0)
    values[1] = 0.5
    found = metrics.auc_interval(correct, values)
    assert 0 < found.estimate < 0.05
    assert (found.low, found.high) == pytest.approx((0, 1))


def test_auc_within_problems_ignores_their_difficulty() -> None:
    correct = np.array([[True, False], [True, False], [True, True]])
    values = np.array([[0.9, 0.8], [0.2, 0.1], [0.5, 0.6]])
    assert metrics.auc_within(correct, values) == pytest.approx([1, 1, math.nan], nan_ok=True)
    assert metrics.auc(correct, values) == pytest.approx(5 / 8)  # 0.8 stands above three right ones


def test_missing_values_are_refused() -> None:
    with pytest.raises(InputError, match="no value"):
        metrics.auc(np.array([True, False]), np.array([0.1, np.nan]))
