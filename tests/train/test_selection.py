"""Ways to choose among stored traces: two problems of two traces, worked by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from reflectgen.config import Blend, PromptConfig
from reflectgen.train.features import Origin, StepFeatures
from reflectgen.train.selection import BEST_OF, VOTES, best_of, measure, selector_values

NONE = np.zeros(0)
FEATURES = StepFeatures(
    origin=Origin(backbone="b", backbone_name="", step_rule="paper", grade_end=False, prompt=PromptConfig()),
    states={},
    trace=NONE.astype(np.int64),
    start=NONE.astype(np.int64),
    stop=NONE.astype(np.int64),
    step_logprob=NONE,
    step_confidence=NONE,
    labels=NONE,
    problem=np.array([0, 0, 0, 1, 1]),
    sample=np.array([0, 1, 2, 0, 1]),
    correct=np.array([True, False, False, True, False]),
    ended=np.array([True, True, False, True, True]),
    logprob=np.array([-0.3, -0.1, -0.2, -0.1, -0.1]),
    confidence=np.array([3.0, 1.0, 2.0, 1.0, 2.0]),
    tokens=np.array([5, 6, 7, 9, 8]),
    answers=("1", "2", "2.0", "3", "4"),
    problems=("p", "q"),
)
SCORES = np.array([0.9, 0.2, 0.3, 0.4, 0.6])
BLEND = Blend(score_mean=-1, score_std=0.5, logprob_mean=-0.2, logprob_std=0.1, weight=2)


def test_figures_by_hand() -> None:
    found = measure(FEATURES, SCORES, BLEND)
    assert (found.problems, found.mixed, found.traces, found.samples, found.unfinished) == (2, 2, 5, (2, 3), pytest.approx(0.2))
    assert found.pass_at_1.estimate == pytest.approx((1 / 3 + 1 / 2) / 2) and found.oracle.estimate == 1.0
    # sprm: right, wrong; log-prob: wrong, a tie; confidence: right, wrong; shortest: right, wrong;
    # majority: "2" and "2.0" are one answer and wrong, then a tie; weighted: .9 against .5 right, then .4 against .6 wrong
    accuracy = {name: row.accuracy.estimate for name, row in found.selectors.items()}
    assert {name: accuracy[name] for name in ("sprm", "logprob", "confidence", "shortest", "majority", "weighted:sprm")} == {
        "sprm": 0.5,
        "logprob": 0.25,
        "confidence": 0.5,
        "shortest": 0.5,
        "majority": 0.25,
        "weighted:sprm": 0.5,
    }
    sprm = found.selectors["sprm"]
    assert sprm.minus_logprob.estimate == 0.25 and sprm.minus_majority.estimate == 0.25
    # within: 1 (both wrong ones below) and 0; pooled: .9 beats .2 .3 .6, .4 beats .2 .3 and not .6: 5 of 6
    assert sprm.auc_within.estimate == 0.5 and sprm.auc_pooled == pytest.approx(5 / 6)
    # log-prob within: 0 and a tie
    assert sprm.auc_within_minus_logprob.estimate == pytest.approx(0.5 - 0.25)
    assert found.selectors["majority"].auc_within is None and found.selectors["majority"].auc_pooled is None


def test_values_are_the_selectors_own() -> None:
    values = selector_values(FEATURES, SCORES, BLEND)
    assert set(values) == {*BEST_OF, *VOTES}
    assert values["sprm"].tolist() == SCORES.tolist() and values["shortest"].tolist() == [-5, -6, -7, -9, -8]
    # (log .9 + 1) / .5 + 2 (-.3 + .2) / .1
    assert values["blend"][0] == pytest.approx((math.log(0.9) + 1) / 0.5 - 2)


def test_where_nothing_was_answered_nothing_is_voted_on() -> None:
    found = measure(replace(FEATURES, answers=(None,) * 5), SCORES, BLEND)
    assert list(found.selectors) == list(BEST_OF)
    assert found.selectors["sprm"].minus_majority is None


@pytest.mark.parametrize("confidence", [[3.0, math.nan, 2.0, 1.0, 2.0], [0.0] * 5])
def test_a_confidence_that_is_not_known_is_left_out(confidence: list[float]) -> None:
    found = measure(replace(FEATURES, confidence=np.array(confidence)), SCORES, BLEND)
    assert "confidence" not in found.selectors and found.selectors["sprm"].accuracy.estimate == 0.5
    assert best_of(FEATURES) == BEST_OF
