"""Intervals against hand-worked numbers, and how they behave; how often they hold is in test_coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from metrics.drawn import Drawn, stores

from reflectgen import metrics
from reflectgen.metrics.intervals import student


def test_right_or_wrong_problems_have_wilsons_interval() -> None:
    found = metrics.mean_interval(np.array([1.0] * 8 + [0.0] * 2))
    assert (found.low, found.high) == pytest.approx(metrics.wilson(8, 10)) and found.estimate == pytest.approx(0.8)


def test_spread_is_that_of_problems() -> None:
    """Ten problems of 100 equal samples each: as wide as ten numbers are, not as a thousand would be."""
    correct = np.repeat(np.arange(10)[:, None] < 5, 100, axis=1)
    found = metrics.mean_interval(metrics.pass_at_1(correct))
    assert (found.low, found.high) == pytest.approx((0.2, 0.8), abs=0.05)
    graded = metrics.mean_interval(np.tile([0.45, 0.55], 5))
    assert graded.high - graded.low == pytest.approx(2 * 1.96 * 0.0527 / math.sqrt(10) * math.sqrt(1.1), rel=0.05)


def test_few_unlike_problems_make_it_wider() -> None:
    """Three of 30 make up the spread: as if there were four, and never more than right or wrong problems would give."""
    values = np.ones(30)
    values[:3] = 0.8
    found, far = metrics.mean_interval(values), metrics.paired_difference(values, np.ones(30))
    half = student(29) * values.std(ddof=1) / math.sqrt(30) * math.sqrt(4 / 3)
    assert far.high - far.low == pytest.approx(2 * half, rel=0.01)
    assert found.low < far.low + 1 and found.high < 1 and found.low > metrics.wilson(27, 30)[0]


@pytest.mark.parametrize(("value", "low", "high"), [(1.0, 0.886, 1.0), (0.0, 0.0, 0.114), (0.5, 0.443, 0.557)])
def test_where_all_problems_are_alike_there_is_room_for_unlike_ones(value: float, low: float, high: float) -> None:
    """30 problems: z^2 / (30 + z^2) = 3.841 / 33.841 = .1135 of them may be unlike."""
    found = metrics.mean_interval(np.full(30, value))
    assert (found.estimate, found.low, found.high) == (value, pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


@settings(max_examples=50)
@given(stores(most_problems=8))
def test_they_hold_their_estimates_and_keep_their_bounds(store: Drawn) -> None:
    shares, other = metrics.pass_at_1(store.correct), store.values.mean(axis=1) / 3
    found = metrics.mean_interval(shares)
    assert found.estimate == pytest.approx(shares.mean())
    assert 0 <= found.low <= found.estimate + 1e-12 and found.estimate - 1e-12 <= found.high <= 1
    assert found.low < found.high
    paired = metrics.paired_difference(shares, other)
    assert paired.estimate == pytest.approx((shares - other).mean())
    assert -1 <= paired.low <= paired.estimate + 1e-12 and paired.estimate - 1e-12 <= paired.high <= 1
    turned = metrics.paired_difference(other, shares)
    assert (turned.low, turned.high) == pytest.approx((-paired.high, -paired.low))


def test_paired_differences_see_what_unpaired_intervals_do_not() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(40)
    found = metrics.paired_difference(0.9 * base + 0.05 + rng.normal(0, 0.001, 40), 0.9 * base)
    assert found.estimate == pytest.approx(0.05, abs=0.001) and found.high - found.low < 0.001


def test_one_problem_says_nothing_of_others() -> None:
    found = metrics.mean_interval(np.array([0.7, math.nan]))
    assert (found.estimate, found.low, found.high) == (0.7, 0, 1)
    nothing = metrics.mean_interval(np.array([math.nan] * 3))
    assert math.isnan(nothing.estimate) and math.isnan(nothing.low) and math.isnan(nothing.high)


def test_students_quantiles() -> None:
    """From tables."""
    table = {1: 12.706, 2: 4.303, 3: 3.182, 5: 2.571, 15: 2.1314, 29: 2.0452, 299: 1.9679}
    assert {freedom: student(freedom) for freedom in table} == pytest.approx(table, rel=2e-3)
    assert student(29, 0.99) == pytest.approx(2.7564, rel=1e-4)


def test_wilson_by_hand() -> None:
    assert metrics.wilson(0, 0) == (0, 1)
    assert metrics.wilson(0, 10)[0] == 0
    assert metrics.wilson(10, 10)[1] == pytest.approx(1)
    # z^2 = 3.8415: centre (0.8 + 0.19207) / 1.38415, half-width 1.96 sqrt(0.016 + 0.0096037) / 1.38415
    assert metrics.wilson(8, 10) == pytest.approx((0.49016, 0.94331), abs=1e-4)


# -- the bootstrap -----------------------------------------------------------------------------------------------------


def test_a_bootstrap_holds_its_estimate_and_repeats_by_its_seed() -> None:
    values = np.random.default_rng(0).random(50)
    found = metrics.interval(metrics.mean, values, seed=3)
    assert found == metrics.interval(metrics.mean, values, seed=3) != metrics.interval(metrics.mean, values, seed=4)
    assert found.estimate == pytest.approx(values.mean())
    assert found.low < found.estimate < found.high
    wide = metrics.interval(metrics.mean, values, seed=3, level=0.99)
    assert wide.low < found.low and found.high < wide.high


def test_a_bootstrap_draws_whole_problems() -> None:
    rng = np.random.default_rng(0)
    correct = rng.random((30, 4)) < 0.5
    found = metrics.interval(metrics.auc, correct, correct + rng.normal(size=(30, 4)), resamples=200)
    assert 0.5 < found.low < found.estimate < found.high < 1


def test_means_leave_out_what_is_not_known() -> None:
    assert metrics.mean(np.array([1.0, math.nan, 0.0])) == 0.5
    assert math.isnan(metrics.mean(np.array([math.nan])))
    found = metrics.interval(metrics.mean, np.array([math.nan] * 3))
    assert math.isnan(found.low) and math.isnan(found.high)
