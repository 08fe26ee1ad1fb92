"""The figures to watch, by hand, and over several ranks."""

import math

import pytest
import torch
from torch import Tensor

from reflectgen.train.figures import figures
from reflectgen.train.graded import Graded, alone


def logit(score: float) -> float:
    return math.log(score / (1 - score))


def graded(scores: list[list[float]], correct: list[bool], group: list[int], ended: list[bool] | None = None) -> Graded:
    return Graded(
        logits=torch.tensor([logit(score) for trace in scores for score in trace]),
        trace=torch.tensor([row for row, trace in enumerate(scores) for _ in trace], dtype=torch.int64),
        correct=torch.tensor(correct),
        ended=torch.tensor(ended or [True] * len(correct)),
        group=torch.tensor(group),
    )


FIRST = graded([[0.8, 0.8], [0.4, 0.2]], [True, False], [0, 0])
SECOND = graded([[0.3], [0.6]], [True, False], [1, 2])


def test_the_figures_of_two_passes_by_hand() -> None:
    """Kept: both steps of the first right trace and none of the second's; both of the first wrong one, not the second's.

    Trace scores: right .8 and .3, wrong sqrt(.08) = .2828 and .6. Of the four pairs .8 wins both and .3 wins one.
    """
    found = figures([FIRST, SECOND], 0, 1, alone)
    errors = [-math.log(0.8), -(math.log(0.6) + math.log(0.8)) / 2, -math.log(0.3), -math.log(0.4)]
    expected = {
        "spr_all": sum(errors) / 4,
        "kept_right": 2 / 3,
        "kept_wrong": 2 / 3,
        "gap": (0.8 + 0.3) / 2 - (math.sqrt(0.08) + 0.6) / 2,
        "auc": 3 / 4,
        "auc_within": 1.0,
    }
    assert found == pytest.approx(expected, abs=1e-6)


def test_traces_that_were_cut_off_are_left_out() -> None:
    cut = graded([[0.8, 0.8], [0.4, 0.2], [0.9]], [True, False, False], [0, 0, 0], [True, True, False])
    assert figures([cut], 0, 1, alone) == pytest.approx(figures([FIRST], 0, 1, alone))


def test_a_figure_that_one_class_does_not_define_is_left_out() -> None:
    found = figures([graded([[0.8]], [True], [0])], 0, 1, alone)
    assert set(found) == {"spr_all", "kept_right"}


def test_without_passes_there_are_no_figures_and_no_sum() -> None:
    def refuse(table: Tensor) -> Tensor:
        raise AssertionError

    assert figures([], 0, 1, refuse) == {}


def test_two_ranks_find_the_figures_of_all_traces() -> None:
    tables: list[Tensor] = []

    def record(table: Tensor) -> Tensor:
        tables.append(table)
        return table

    figures([SECOND], 1, 2, record)
    found = figures([FIRST], 0, 2, lambda table: table + tables[0])
    assert found == pytest.approx(figures([FIRST, SECOND], 0, 1, alone))
