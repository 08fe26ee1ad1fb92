"""Metrics against brute-force enumeration, hand-worked numbers and independent counts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectgen import metrics
from reflectgen.errors import InputError, OptionError

SAMPLES = st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(-1, 3)), min_size=1, max_size=7)
"""Samples of one problem: right or not, a value with many ties, an answer or none."""


def over_subsets(n: int, k: int, judge: Callable[[tuple[int, ...]], Fraction]) -> float:
    """Mean of `judge` over all k-subsets of n, exactly."""
    verdicts = [judge(subset) for subset in combinations(range(n), k)]
    return float(sum(verdicts) / Fraction(len(verdicts)))


def share(flags: list[bool]) -> Fraction:
    """Share of `flags` that is true."""
    return Fraction(sum(flags), len(flags))


# -- accuracy at k -----------------------------------------------------------------------------------------------------


def test_pass_at_k_by_hand() -> None:
    correct = np.array([[True, True, False, False], [False] * 4, [True] * 4])
    assert metrics.pass_at_1(correct).tolist() == [0.5, 0, 1]
    assert metrics.pass_at_k(correct, 1).tolist() == [0.5, 0, 1]
    assert metrics.pass_at_k(correct, 2) == pytest.approx([5 / 6, 0, 1])  # only one of six pairs has both wrong
    assert metrics.oracle(correct).tolist() == metrics.pass_at_k(correct, 4).tolist() == [1, 0, 1]


def test_best_of_k_by_hand() -> None:
    correct = np.array([[True, False, True]])
    values = np.array([[0.1, 0.9, 0.5]])
    assert metrics.best_of_k(correct, values, 1) == pytest.approx([2 / 3])
    assert metrics.best_of_k(correct, values, 2) == pytest.approx([1 / 3])  # the wrong 0.9 wins in two pairs of three
    assert metrics.best_of_k(correct, values, 3) == pytest.approx([0])


def test_majority_at_k_by_hand() -> None:
    correct = np.array([[True, True, False, False]])
    answers = metrics.codes([["7", "7", "8", None]])
    assert answers.tolist() == [[0, 0, 1, metrics.NO_ANSWER]]
    # pairs: 77 right; 78 four times over two, tied; 7- twice, right; 8- wrong
    assert metrics.majority_at_k(correct, answers, 2) == pytest.approx([(1 + 2 * 0.5 + 2) / 6])
    assert metrics.majority_at_k(correct, answers, 4) == pytest.approx([1])
    assert metrics.majority_at_k(correct, metrics.codes([[None] * 4]), 2).tolist() == [0]


def test_weighted_at_k_by_hand() -> None:
    correct = np.array([[True, True, False]])
    answers = metrics.codes([["7", "7", "8"]])
    weights = np.array([[0.2, 0.3, 0.4]])
    assert metrics.weighted_at_k(correct, answers, weights, 2) == pytest.approx([1 / 3])
    assert metrics.weighted_at_k(correct, answers, weights, 3) == pytest.approx([1])


@given(SAMPLES)
def test_every_estimator_is_the_mean_over_all_subsets(samples: list[tuple[bool, int, int]]) -> None:
    right, values, answers = (list(column) for column in zip(*samples, strict=True))
    correct_of = _consistent(right, answers)
    arrays = np.array([right]), np.array([values], dtype=float), np.array([answers])
    judged = np.array([correct_of])
    n = len(samples)
    for k in range(1, n + 1):
        assert metrics.pass_at_k(arrays[0], k) == pytest.approx(
            [over_subsets(n, k, lambda s: Fraction(any(right[i] for i in s)))]
        )
        assert metrics.best_of_k(arrays[0], arrays[1], k) == pytest.approx(
            [over_subsets(n, k, lambda s: _best(s, right, values))]
        )
        for weights in ([1] * n, values):
            expected = over_subsets(n, k, lambda s, weights=weights: _vote(s, correct_of, answers, weights))
            found = metrics.weighted_at_k(judged, arrays[2], np.array([weights], dtype=float), k)
            assert found == pytest.approx([expected])


def _consistent(right: list[bool], answers: list[int]) -> list[bool]:
    """One verdict per answer, as a grader gives."""
    first: dict[int, bool] = {}
    return [first.setdefault(answer, flag) for flag, answer in zip(right, answers, strict=True)]


def _best(subset: tuple[int, ...], right: list[bool], values: list[int]) -> Fraction:
    top = max(values[i] for i in subset)
    return share([right[i] for i in subset if values[i] == top])


def _vote(subset: tuple[int, ...], right: list[bool], answers: list[int], weights: list[int]) -> Fraction:
    totals: dict[int, int] = defaultdict(int)
    for i in subset:
        if answers[i] != metrics.NO_ANSWER:
            totals[answers[i]] += weights[i]
    if not totals:
        return Fraction(0)
    winners = [answer for answer, total in totals.items() if total == max(totals.values())]
    return share([right[answers.index(answer)] for answer in winners])


def test_rows_do_not_mix() -> None:
    rng = np.random.default_rng(0)
    correct, values = rng.random((20, 8)) < 0.5, rng.integers(0, 3, (20, 8)).astype(float)
    answers = rng.integers(-1, 3, (20, 8))
    for k in (1, 3, 8):
        together = [metrics.best_of_k(correct, values, k), metrics.majority_at_k(correct, answers, k)]
        alone = [
            np.concatenate([metrics.best_of_k(correct[[p]], values[[p]], k) for p in range(20)]),
            np.concatenate([metrics.majority_at_k(correct[[p]], answers[[p]], k) for p in range(20)]),
        ]
        assert np.allclose(together, alone)


def test_drawn_subsets_agree_with_the_closed_form() -> None:
    """Two answers and k = 3: the majority is right where at least two of three are; 40 choose 3 is beyond `EXACT`."""
    right = np.arange(40) < 22
    exact = (math.comb(22, 3) + math.comb(22, 2) * 18) / math.comb(40, 3)
    estimates = [
        metrics.majority_at_k(right[None], (~right[None]).astype(np.int64), 3, seed=s, draws=4_000)[0] for s in (1, 1, 2)
    ]
    assert math.comb(40, 3) > metrics.EXACT
    assert estimates[0] == estimates[1] != estimates[2]
    assert estimates == pytest.approx([exact] * 3, abs=0.04)  # five standard deviations of 0.5 / sqrt(4000)


def test_values_of_minus_infinity_rank_last() -> None:
    assert metrics.best_of_k(np.array([[True, False]]), np.array([[-np.inf, 0.1]]), 2).tolist() == [0]


@pytest.mark.parametrize("k", [0, 5])
def test_k_beyond_the_samples_is_refused(k: int) -> None:
    correct = np.ones((2, 4), dtype=bool)
    for estimate in (metrics.pass_at_k, lambda correct, k: metrics.best_of_k(correct, np.zeros((2, 4)), k)):
        with pytest.raises(OptionError, match=f"k = {k} must lie between 1 and the 4 samples"):
            estimate(correct, k)


# -- rank agreement ----------------------------------------------------------------------------------------------------


def test_auc_by_hand() -> None:
    correct = np.array([True, False, True, False])
    assert metrics.auc(correct, np.array([0.9, 0.1, 0.4, 0.4])) == pytest.approx(3.5 / 4)
    assert metrics.auc(correct, np.zeros(4)) == 0.5
    assert math.isnan(metrics.auc(np.ones(3, dtype=bool), np.zeros(3)))


@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=1, max_size=30))
def test_auc_is_the_count_over_all_pairs(samples: list[tuple[bool, int]]) -> None:
    right = [value for flag, value in samples if flag]
    wrong = [value for flag, value in samples if not flag]
    found = metrics.auc(np.array([flag for flag, _ in samples]), np.array([value for _, value in samples], dtype=float))
    if not right or not wrong:
        assert math.isnan(found)
    else:
        wins = sum((r > w) + 0.5 * (r == w) for r in right for w in wrong)
        assert found == pytest.approx(wins / (len(right) * len(wrong)))


def test_auc_within_problems_ignores_their_difficulty() -> None:
    correct = np.array([[True, False], [True, False], [True, True]])
    values = np.array([[0.9, 0.8], [0.2, 0.1], [0.5, 0.6]])
    assert metrics.auc_within(correct, values) == pytest.approx([1, 1, math.nan], nan_ok=True)
    assert metrics.auc(correct, values) == pytest.approx(5 / 8)  # 0.8 stands above three right ones


def test_missing_values_are_refused() -> None:
    with pytest.raises(InputError, match="no value"):
        metrics.auc(np.array([True, False]), np.array([0.1, np.nan]))


# -- intervals ---------------------------------------------------------------------------------------------------------


def test_an_interval_holds_its_estimate_and_repeats_by_its_seed() -> None:
    values = np.random.default_rng(0).random(50)
    found = metrics.interval(metrics.mean, values, seed=3)
    assert found == metrics.interval(metrics.mean, values, seed=3) != metrics.interval(metrics.mean, values, seed=4)
    assert found.estimate == pytest.approx(values.mean())
    assert found.low < found.estimate < found.high
    wide = metrics.interval(metrics.mean, values, seed=3, level=0.99)
    assert wide.low < found.low and found.high < wide.high


def test_an_interval_resamples_whole_problems() -> None:
    """Ten problems of 100 equal samples each: as wide as ten numbers are, not as a thousand would be."""
    correct = np.repeat(np.arange(10)[:, None] < 5, 100, axis=1)
    found = metrics.interval(metrics.mean, metrics.pass_at_1(correct))
    assert (found.low, found.high) == pytest.approx((0.2, 0.8), abs=0.11)


def test_the_bootstrap_covers_as_often_as_it_says() -> None:
    """60 problems, 200 repetitions: a 95 % interval holds the truth 90 to 98.5 % of the time (false alarm 1 in 100)."""
    rng = np.random.default_rng(1)
    held = 0
    for repetition in range(200):
        found = metrics.interval(metrics.mean, (rng.random(60) < 0.6).astype(float), seed=repetition, resamples=300)
        held += found.low <= 0.6 <= found.high
    assert 0.90 <= held / 200 <= 0.985


def test_a_pooled_auc_has_an_interval() -> None:
    rng = np.random.default_rng(0)
    correct = rng.random((30, 4)) < 0.5
    found = metrics.interval(metrics.auc, correct, correct + rng.normal(size=(30, 4)), resamples=200)
    assert 0.5 < found.low < found.estimate < found.high < 1


def test_means_leave_out_what_is_not_known() -> None:
    assert metrics.mean(np.array([1.0, math.nan, 0.0])) == 0.5
    assert math.isnan(metrics.mean(np.array([math.nan])))
    found = metrics.interval(metrics.mean, np.array([math.nan] * 3))
    assert math.isnan(found.low) and math.isnan(found.high)


def test_paired_differences_see_what_unpaired_intervals_do_not() -> None:
    base = np.random.default_rng(0).random(40)
    found = metrics.paired_difference(base + 0.01, base)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.01, 0.01, 0.01))


def test_wilson_by_hand() -> None:
    assert metrics.wilson(0, 0) == (0, 1)
    assert metrics.wilson(0, 10)[0] == 0
    assert metrics.wilson(10, 10)[1] == pytest.approx(1)
    # z^2 = 3.8415: centre (0.8 + 0.19207) / 1.38415, half-width 1.96 sqrt(0.016 + 0.0096037) / 1.38415
    assert metrics.wilson(8, 10) == pytest.approx((0.49016, 0.94331), abs=1e-4)


def test_first_errors_by_hand() -> None:
    """Of three traces with an error one is found, of two without it both: 2 (1/3) 1 / (4/3) = 1/2."""
    gold, found = np.array([0, 2, 1, metrics.NO_ERROR, metrics.NO_ERROR]), np.array([0, 1, -1, -1, -1])
    assert metrics.first_error_f1(gold, found) == pytest.approx(0.5)
    assert metrics.first_error_f1(gold, np.zeros(5, dtype=np.int64)) == 0  # all are flagged
    assert math.isnan(metrics.first_error_f1(gold[:3], found[:3]))
