"""Figures of traces made by hand: two problems, of three and of two traces."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from step_features import features

from reflectgen.config import Blend
from reflectgen.metrics import NO_ERROR
from reflectgen.study.bootstrap import Bootstrap
from reflectgen.study.figures import Measured, Yardstick
from reflectgen.study.grades import Grades
from reflectgen.study.oracle import Oracle
from reflectgen.train.features import StepFeatures
from reflectgen.train.selection import measure

TEST = features(
    [0, 0, 0, 1, 1],
    [1, 1, 1, 1, 1],
    [True, False, True, False, True],
    answers=("4", "5", "4", "7", "8"),
    tokens=np.array([10, 20, 30, 40, 50]),
    logprob=np.array([-3.0, -1.0, -2.0, -1.0, -2.0]),
)


def graded(scores: list[float], **changes: Any) -> Grades:
    made = {"scores": np.array(scores), "blend": Blend(), "first_errors": None, "facts": {}}
    return Grades(**{**made, **changes})


def yardstick(test: StepFeatures = TEST, oracle: Oracle | None = None) -> Yardstick:
    return Yardstick(test, Bootstrap(len(test.problems), resamples=50), oracle)


def oracle(*labels: float) -> Oracle:
    """Labels of the one step of each trace, which ends where its number says."""
    return Oracle({(f"p{TEST.problem[trace]}", trace): {trace: label} for trace, label in enumerate(labels)})


def estimates(row: Measured) -> dict[str, float]:
    return {name: spread.estimate for name, spread in row.figures.items()}


def test_scores_that_know_everything() -> None:
    found = estimates(yardstick().graded(graded([0.9, 0.1, 0.8, 0.2, 0.7])))
    assert {name: found[name] for name in ("auc", "auc_within", "best", "weighted")} == {
        "auc": 1, "auc_within": 1, "best": 1, "weighted": 1,
    }  # fmt: skip


def test_scores_that_know_something() -> None:
    """Right .9 .3 / .6 against wrong .5 / .8: within the first problem 1/2, in the second 0; pooled 3 of 6 pairs."""
    found = estimates(yardstick().graded(graded([0.9, 0.5, 0.3, 0.8, 0.6])))
    assert found["auc_within"] == 0.25
    assert found["auc"] == pytest.approx(3 / 6)
    assert found["best"] == 0.5
    assert found["weighted"] == 0.5  # 1.2 for "4" against .5, and .6 for "8" against .8


def test_the_blend_adds_the_mean_log_prob() -> None:
    """Equal scores leave the choice to the log-prob, which is wrong in both problems."""
    found = estimates(yardstick().graded(graded([0.5] * 5)))
    assert found["blend_best"] == 0
    assert found["best"] == pytest.approx((2 / 3 + 1 / 2) / 2)  # ties are shared evenly


def test_chosen_traces_whose_steps_are_all_right() -> None:
    """Both chosen traces are right, and one of them has a wrong step."""
    right = oracle(0.0, 1.0, 1.0, 0.0, 1.0)
    found = yardstick(oracle=right).graded(graded([0.9, 0.1, 0.8, 0.2, 0.7]))
    assert estimates(found)["all_right"] == 0.5


def test_first_errors() -> None:
    """Of two traces with an error one is found, of three without it two: 2 (1/2) (2/3) / (1/2 + 2/3) = 4/7."""
    right = oracle(1.0, 0.0, 1.0, 0.0, 1.0)
    flags = np.array([NO_ERROR, 0, 0, NO_ERROR, NO_ERROR])
    found = yardstick(oracle=right).graded(graded([0.5] * 5, first_errors=flags))
    assert estimates(found)["first_error_f1"] == pytest.approx(4 / 7)


def test_accuracy_by_length() -> None:
    """Chosen are the traces of 10 and 40 tokens: the first is in the shortest quarter and right, the other wrong."""
    found = yardstick().graded(graded([0.9, 0.1, 0.8, 0.7, 0.2])).by_length
    assert found[0].estimate == 1
    assert sum(not math.isnan(spread.estimate) for spread in found) == 2


def test_rows_without_a_head() -> None:
    found = {name: estimates(row) for name, row in yardstick().references().items()}
    assert found["pass@1"] == {"best": pytest.approx((2 / 3 + 1 / 2) / 2)}
    assert found["majority"] == {"best": pytest.approx((1 + 1 / 2) / 2)}
    assert found["oracle"] == {"best": 1}
    assert found["logprob"]["best"] == 0
    assert found["logprob"]["auc_within"] == 0
    assert found["shortest"]["best"] == 0.5
    assert "blend_best" not in found["logprob"]


def test_without_answers_nothing_votes() -> None:
    silent = features([0, 0], [1, 1], [True, False], answers=(None, None))
    assert "weighted" not in yardstick(silent).graded(graded([0.9, 0.1])).figures
    assert "majority" not in yardstick(silent).references()


def test_a_row_less_itself_is_zero_and_the_blend_is_compared_with_what_a_row_without_one_has() -> None:
    row, logprob = yardstick().graded(graded([0.9, 0.5, 0.3, 0.8, 0.6])), yardstick().references()["logprob"]
    assert {spread.estimate for spread in row.minus(row).values()} == {0}
    found = row.minus(logprob)
    assert found["blend_best"].estimate == row.figures["blend_best"].estimate - logprob.figures["best"].estimate


def test_figures_agree_with_those_that_training_reports() -> None:
    scores = np.array([0.9, 0.5, 0.3, 0.8, 0.6])
    known = measure(TEST, scores, Blend()).selectors
    found = estimates(yardstick().graded(graded(scores.tolist())))
    assert found["best"] == known["sprm"].accuracy.estimate
    assert found["blend_best"] == known["blend"].accuracy.estimate
    assert found["weighted"] == known["weighted:sprm"].accuracy.estimate
    assert found["auc"] == known["sprm"].auc_pooled


def test_a_confidence_that_is_not_known_is_no_reference() -> None:
    names = list(yardstick().references())
    for unknown in (math.nan, 0.0):
        found = yardstick(replace(TEST, confidence=np.full(5, unknown))).references()
        assert list(found) == [name for name in names if name != "confidence"]
