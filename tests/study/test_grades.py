"""Rows on features made by hand, with a direction planted that tells right traces from wrong ones."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted import planted

from reflectgen.config import Blend, HeadOptions, RetrofitConfig
from reflectgen.errors import InputError
from reflectgen.metrics import auc
from reflectgen.model.head import SPRMHead
from reflectgen.study import grades, methods
from reflectgen.study.bench import Parts
from reflectgen.study.grades import Examiner, Grades
from reflectgen.study.oracle import Oracle
from reflectgen.study.variants import Variant
from reflectgen.train.calibration import auc_by_problem
from reflectgen.train.features import StepFeatures
from reflectgen.train.head_only import Fitted, fit

TRAIN, VALIDATION, TEST = (planted(count, seed=seed) for seed, count in enumerate((24, 10, 12)))
CONFIG = RetrofitConfig(head=HeadOptions(step_rule="paper", grade_end=False), seeds=1, epochs=8, batch=4, learning_rate=0.02)
BASE = Variant(section="baseline", name="baseline", config=CONFIG, stores=(Path("train"),))


class Bench:
    """The features of every row, without a backbone; it counts how often training traces are asked for."""

    def __init__(self, test: StepFeatures = TEST) -> None:
        self.tests, self.asked = test, 0

    def parts(self, variant: Variant) -> Parts:
        self.asked += 1
        return Parts(TRAIN, VALIDATION)

    def test(self, variant: Variant) -> StepFeatures:
        return self.tests


def examiner(bench: Bench, oracles: tuple[Oracle, Oracle] | None = None) -> Examiner:
    given: Any = bench
    return Examiner(bench=given, oracles=oracles)


@pytest.mark.parametrize("method", ["head", "linear", "logprobs"])
def test_what_was_planted_is_found(method: Any) -> None:
    found = examiner(Bench()).grades(BASE.changed("row", method=method))
    assert (auc_by_problem(TEST.correct, found.scores, TEST.rows) == 1).all()
    assert found.facts["validation_auc_within"] == 1


def test_states_that_are_noise_tell_nothing() -> None:
    found = examiner(Bench()).grades(BASE.changed("noise", layer=-1))
    assert 0.2 < auc(TEST.correct, found.scores) < 0.8


def test_rows_of_one_head_train_it_once() -> None:
    bench = Bench()
    trained = examiner(bench)
    geometric, least = trained.grades(BASE), trained.grades(BASE.changed("min", regrade="min"))
    assert bench.asked == 1
    assert (geometric.scores != least.scores).any()
    assert geometric.blend != least.blend


def test_a_row_says_the_same_again() -> None:
    first, again = (examiner(Bench()).grades(BASE) for _ in range(2))
    assert first.scores.tolist() == again.scores.tolist()


def labelled(features: StepFeatures) -> Oracle:
    """Every step of a wrong trace is wrong."""
    ends = [features.stop[rows].tolist() for rows in features.steps]
    keys = zip(features.problem, features.sample, features.correct, ends, strict=True)
    return Oracle({(features.problems[p], int(s)): dict.fromkeys(steps, float(right)) for p, s, right, steps in keys})


def test_first_errors_are_found_where_an_oracle_knows_the_steps() -> None:
    found = examiner(Bench(), (labelled(VALIDATION), labelled(TEST))).grades(BASE)
    assert found.first_errors is not None
    assert (found.first_errors == np.where(TEST.correct, -1, 0)).mean() > 0.95
    assert examiner(Bench()).grades(BASE).first_errors is None


def test_confidence_joins_the_head_only_where_it_is_known_of_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []
    build = methods.SPRMHead

    def noted(config: Any) -> Any:
        widths.append(config.hidden_size)
        return build(config)

    monkeypatch.setattr(methods, "SPRMHead", noted)
    unknown = replace(TEST, step_confidence=np.full(len(TEST.trace), np.nan))
    for test in (TEST, unknown):
        examiner(Bench(test)).grades(BASE.changed("row", method="logprobs"))
    assert widths == [10, 9]  # 8 of the state, the log-prob, the confidence


def test_a_row_that_cannot_learn_says_so() -> None:
    bench = Bench()
    bench.parts = lambda variant: Parts(TRAIN.of_traces(TRAIN.correct), VALIDATION)  # type: ignore[method-assign]
    with pytest.raises(InputError, match="No problem of the training part has both right and wrong traces"):
        examiner(bench).grades(BASE)


def test_grades_as_json_and_back() -> None:
    made = Grades(
        scores=np.array([0.25, 1 / 3]), blend=Blend(weight=2.0), first_errors=np.array([-1, 4]), facts={"parameters": 3}
    )
    again = Grades.decode(made.encode())
    assert again.scores.tolist() == made.scores.tolist()
    assert again.first_errors is not None and again.first_errors.tolist() == [-1, 4]
    assert (again.blend, again.facts) == (made.blend, made.facts)
    assert Grades.decode(replace(made, first_errors=None).encode()).first_errors is None


def test_a_finished_head_is_calibrated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = fit(TRAIN, VALIDATION, CONFIG)
    assert isinstance(fitted.head, SPRMHead) and fitted.config.temperature != 1
    fitted.head.config = fitted.config  # as it is written, and read again
    monkeypatch.setattr(grades, "finished_head", lambda bench, variant: fitted.head)
    row = replace(BASE, finished="mine").changed("mine", layer=fitted.config.layer)
    expected = Fitted(head=deepcopy(fitted.head), config=fitted.config, trainings=(), validation=fitted.validation)
    assert isinstance(expected.head, SPRMHead)
    expected.head.config = fitted.config.model_copy(update={"temperature": 1.0})
    assert Examiner(bench=Bench(), oracles=None).grades(row).scores == pytest.approx(expected.scores(TEST))  # type: ignore[arg-type]
