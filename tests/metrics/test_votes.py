"""Votes against hand-worked numbers and enumeration; drawn subsets against exact ones, within the error that they state."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from metrics.drawn import Drawn, stores

from reflectgen import metrics
from reflectgen.errors import InputError
from reflectgen.metrics import votes


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


@settings(max_examples=300)
@given(stores())
def test_they_are_the_means_over_all_subsets(store: Drawn) -> None:
    weightings = np.stack([np.ones_like(store.values), store.values])
    for k in range(1, store.samples + 1):
        found = metrics.votes_at_k(store.correct, store.answers, weightings, k)
        for estimate, weights in zip(found, weightings, strict=True):
            expected = store.over_subsets(k, lambda p, subset, weights=weights: store.vote_right(p, subset, weights))
            assert estimate.values == pytest.approx(expected) and estimate.error == 0
        assert metrics.majority_at_k(store.correct, store.answers, k) == pytest.approx(found[0].values)


def test_drawn_subsets_agree_with_the_closed_form() -> None:
    """Two answers and k = 3: the majority is right where at least two of three are; 40 choose 3 is beyond `EXACT`."""
    right = np.arange(40) < 22
    exact = (math.comb(22, 3) + math.comb(22, 2) * 18) / math.comb(40, 3)
    answers = (~right[None]).astype(np.int64)
    estimates = [metrics.majority_at_k(right[None], answers, 3, seed=s, draws=4_000)[0] for s in (1, 1, 2)]
    assert math.comb(40, 3) > metrics.EXACT
    assert estimates[0] == estimates[1] != estimates[2]
    assert estimates == pytest.approx([exact] * 3, abs=0.04)  # five standard deviations of 0.5 / sqrt(4000)


def test_the_stated_error_is_the_one_that_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200 draws 95 % (90 to 99: false alarm below 1 in 1,000) lie within 1.96 stated errors of the exact mean."""
    rng = np.random.default_rng(0)
    correct = rng.random((20, 12)) < 0.5
    answers = np.where(correct, 0, rng.integers(1, 4, correct.shape))
    weights = rng.random((1, *correct.shape))
    (exact,) = metrics.votes_at_k(correct, answers, weights, 5)
    monkeypatch.setattr(votes, "EXACT", 100)
    errors = []
    for seed in range(200):
        (found,) = metrics.votes_at_k(correct, answers, weights, 5, seed=seed, draws=200)
        assert 0 < found.error < 0.5 / math.sqrt(200)
        errors.append((found.values.mean() - exact.values.mean()) / found.error)
    assert exact.error == 0 and 0.90 <= np.mean(np.abs(errors) < 1.96) <= 0.99


def test_problems_of_unequal_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="Problems have 1 to 2 samples: take 1 of each"):
        metrics.codes([["7", "8"], ["7"]])


def test_rows_do_not_mix() -> None:
    rng = np.random.default_rng(0)
    correct, answers = rng.random((20, 8)) < 0.5, rng.integers(-1, 3, (20, 8))
    for k in (1, 3, 8):
        alone = [metrics.majority_at_k(correct[[p]], answers[[p]], k)[0] for p in range(20)]
        assert metrics.majority_at_k(correct, answers, k) == pytest.approx(alone)
