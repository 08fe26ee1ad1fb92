"""Trajectory scores, worked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectgen.scoring import AGGREGATES, EPS, aggregate, sigmoid


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("geometric", 0.4),  # (0.8 * 0.4 * 0.2)^(1/3) = 0.064^(1/3)
        ("product", 0.064),
        ("mean", 1.4 / 3),
        ("min", 0.2),
        ("last", 0.4),
    ],
)
def test_aggregates(name: str, score: float) -> None:
    assert aggregate(name, [0.8, 0.2, 0.4]) == pytest.approx(score)


@pytest.mark.parametrize("name", AGGREGATES)
def test_one_step_is_its_own_score_and_none_give_zero(name: str) -> None:
    assert aggregate(name, [0.7]) == pytest.approx(0.7)
    assert aggregate(name, []) == 0


def test_scores_are_clamped_from_below_in_log_space() -> None:
    assert aggregate("geometric", [0.0, 1.0]) == pytest.approx(math.sqrt(EPS))  # 1e-5
    assert aggregate("product", [0.0, 0.0]) == pytest.approx(EPS**2)


def test_a_thousand_steps_do_not_underflow() -> None:
    assert aggregate("geometric", [0.1] * 1000) == pytest.approx(0.1)


@given(st.lists(st.floats(EPS, 1), min_size=1, max_size=20))
def test_the_geometric_mean_lies_between_the_least_score_and_the_mean(scores: list[float]) -> None:
    low, middle, high = (aggregate(name, scores) for name in ("min", "geometric", "mean"))
    assert low * (1 - 1e-9) <= middle <= high * (1 + 1e-9)


def test_sigmoid() -> None:
    assert sigmoid(0) == 0.5
    assert sigmoid(math.log(3)) == pytest.approx(0.75)
    assert (sigmoid(-1e4), sigmoid(1e4)) == (0, 1)


@given(st.floats(-700, 700))
def test_sigmoid_of_the_opposite_is_the_complement(logit: float) -> None:
    assert sigmoid(-logit) == pytest.approx(1 - sigmoid(logit), abs=1e-15)
