"""Figures by hand, and the same resamples as `metrics.interval` draws."""

import math

import numpy as np
import pytest

from reflectgen import metrics
from reflectgen.study.bootstrap import Bootstrap, Spread


def test_a_mean_has_the_interval_that_metrics_gives_it() -> None:
    values = np.array([0.0, 0.5, 1.0, math.nan, 0.25, 1.0])
    found = Bootstrap(6, seed=3, resamples=200).mean(values).interval()
    known = metrics.interval(metrics.mean, values, seed=3, resamples=200)
    assert (found.estimate, found.low, found.high) == pytest.approx((known.estimate, known.low, known.high))


def test_a_pooled_auc_has_the_interval_that_metrics_gives_it() -> None:
    rng = np.random.default_rng(0)
    correct, values = rng.random((9, 4)) < 0.4, rng.integers(0, 3, size=(9, 4)).astype(float)  # many ties
    rows = [np.arange(4 * problem, 4 * problem + 4) for problem in range(9)]
    found = Bootstrap(9, seed=1, resamples=100).auc(correct.ravel(), values.ravel(), rows).interval()
    known = metrics.interval(metrics.auc, correct, values, seed=1, resamples=100)
    assert (found.estimate, found.low, found.high) == pytest.approx((known.estimate, known.low, known.high))


def test_a_ratio_is_of_sums() -> None:
    assert Bootstrap(2).ratio(np.array([1.0, 2.0]), np.array([2.0, 4.0])).estimate == 0.5
    nothing = Bootstrap(2).ratio(np.zeros(2), np.zeros(2))
    assert math.isnan(nothing.estimate) and math.isnan(nothing.interval().low)


def test_differences_are_paired() -> None:
    base = np.random.default_rng(0).random(30)
    bootstrap = Bootstrap(30)
    found = (bootstrap.mean(base + 0.01) - bootstrap.mean(base)).interval()
    assert (found.estimate, found.low, found.high) == pytest.approx((0.01, 0.01, 0.01))


def test_a_harmonic_mean_by_hand() -> None:
    mean = Bootstrap(1, resamples=1).harmonic_mean
    one, other, none = (Spread(value, np.array([value])) for value in (0.5, 1.0, 0.0))
    assert mean(one, other).estimate == pytest.approx(2 / 3)
    assert mean(none, none).estimate == 0
