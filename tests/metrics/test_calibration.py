"""Calibration against hand-worked numbers and a plain loop over sorted samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from metrics.drawn import Drawn, stores

from reflectgen import metrics
from reflectgen.errors import InputError


def test_figures_by_hand() -> None:
    correct = np.array([[True, False], [True, True]])
    scores = np.array([[0.5, 0.1], [0.7, 0.9]])
    assert metrics.brier(correct, scores) == pytest.approx([(0.25 + 0.01) / 2, (0.09 + 0.01) / 2])
    low, high = metrics.reliability(correct, scores, bins=2)
    assert (low.samples, low.problems, low.score, low.right.estimate) == (2, 1, pytest.approx(0.3), 0.5)
    assert (high.samples, high.problems, high.score, high.right.estimate) == (2, 1, pytest.approx(0.8), 1)
    assert metrics.expected_calibration_error([low, high]) == pytest.approx((2 * 0.2 + 2 * 0.2) / 4)


@settings(max_examples=100)
@given(stores(most_problems=6))
def test_bins_are_of_equal_mass_but_for_ties(store: Drawn) -> None:
    """The bins partition the samples in the order of their scores; one that is larger than its part is one of ties."""
    scores = store.values / 3
    found = metrics.reliability(store.correct, scores, bins=3)
    ordered = np.argsort(scores, axis=None, kind="stable")
    sizes = np.cumsum([0, *(one.samples for one in found)])
    assert sizes[-1] == scores.size and len(found) <= 3
    gaps = 0.0
    for one, start, stop in zip(found, sizes, sizes[1:], strict=False):
        members = ordered[start:stop]
        assert one.score == pytest.approx(scores.ravel()[members].mean())
        assert one.right.estimate == pytest.approx(store.correct.ravel()[members].mean())
        assert 0 <= one.right.low <= one.right.estimate <= one.right.high <= 1
        gaps += len(members) * abs(one.score - one.right.estimate)
        values, counts = np.unique(scores.ravel()[members], return_counts=True)
        assert len(members) <= -(-scores.size // 3) + counts.max() and len(values) >= 1
    assert metrics.expected_calibration_error(found) == pytest.approx(gaps / scores.size)


def test_equal_scores_stay_together() -> None:
    (one,) = metrics.reliability(np.array([[True, False] * 10]), np.full((1, 20), 0.5))
    assert one.samples == 20 and one.right.estimate == 0.5


def test_a_bin_is_as_sure_as_its_problems_are_many() -> None:
    """One thousand samples of ten problems, each all right or all wrong: as sure as ten numbers are."""
    correct = np.repeat(np.arange(10)[:, None] < 5, 100, axis=1)
    (one,) = metrics.reliability(correct, np.full(correct.shape, 0.5))
    assert one.problems == 10 and one.right.low < 0.25 and one.right.high > 0.75
    (all_right,) = metrics.reliability(np.ones((30, 4), dtype=bool), np.full((30, 4), 0.9))
    assert all_right.right.high == 1 and 0.85 < all_right.right.low < 0.9


def test_calibrated_scores_have_small_errors() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((500, 20))
    found = metrics.reliability(rng.random((500, 20)) < scores, scores)
    assert [one.samples for one in found] == [1000] * 10
    assert metrics.expected_calibration_error(found) < 0.025
    assert sum(one.right.low <= one.score <= one.right.high for one in found) >= 8


def test_missing_scores_are_refused() -> None:
    for figure in (metrics.brier, metrics.reliability):
        with pytest.raises(InputError, match="no value"):
            figure(np.array([[True]]), np.array([[np.nan]]))
