"""Temperature and blend on held-out traces, worked by hand or against closed forms."""

import math

import numpy as np
import pytest

from reflectgen.train.calibration import WEIGHTS, auc_by_problem, fit_blend, fit_temperature, minimise, trace_scores


def single(count: int) -> list[np.ndarray]:
    """Traces of one step each."""
    return [np.array([index]) for index in range(count)]


def test_trace_scores_by_hand() -> None:
    logits = np.log(np.array([3.0, 1.0, 1 / 3]))  # step scores 3/4, 1/2 and 1/4
    steps = [np.array([0, 1]), np.array([2]), np.array([], dtype=np.int64)]
    assert trace_scores(logits, steps, "geometric").tolist() == pytest.approx([math.sqrt(3 / 8), 1 / 4, 0.0])
    assert trace_scores(logits, steps, "min").tolist() == pytest.approx([1 / 2, 1 / 4, 0.0])
    # a temperature of 1/2 doubles the logits: odds 9, 1 and 1/9
    assert trace_scores(logits, steps, "last", 0.5).tolist() == pytest.approx([1 / 2, 1 / 10, 0.0])


def test_scores_do_not_overflow() -> None:
    assert trace_scores(np.array([1e6, -1e6]), single(2), "mean", 0.05).tolist() == [1.0, 0.0]


def test_a_minimum_is_found() -> None:
    assert minimise(lambda x: (x - 1.3) ** 2, -3, 4) == pytest.approx(1.3, abs=1e-3)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_a_temperature_is_found_again(temperature: float) -> None:
    """Of 100 traces with the logit z, as many are right as sigmoid(z / T) says."""
    logits, correct = [], []
    for z in np.log([1 / 4, 3 / 7, 1.0, 7 / 3, 4.0]):
        right = round(100 / (1 + math.exp(-z)))
        logits += [temperature * z] * 100
        correct += [True] * right + [False] * (100 - right)
    found = fit_temperature(np.array(logits), single(500), np.array(correct), "geometric")
    assert found == pytest.approx(temperature, rel=0.01)


def test_the_outcome_is_the_traces_not_the_steps() -> None:
    """Four steps of logit log 4 each: the geometric mean is .8; half of the traces are right, so T must be large."""
    steps = [np.arange(4 * index, 4 * index + 4) for index in range(10)]
    found = fit_temperature(np.full(40, math.log(4)), steps, np.array([True, False] * 5), "geometric")
    assert found == pytest.approx(20, rel=0.01)


def test_auc_by_problem() -> None:
    problems = [np.array([0, 1, 2]), np.array([3, 4])]
    found = auc_by_problem(np.array([True, False, False, True, True]), np.array([0.5, 0.1, 0.9, 0.3, 0.2]), problems)
    assert found[0] == 0.5 and math.isnan(found[1])


def test_scales_are_means_and_deviations() -> None:
    scores, logprobs = np.array([1.0, math.exp(-2)]), np.array([-1.0, -3.0])
    found = fit_blend(scores, logprobs, np.array([True, False]), [np.array([0, 1])])
    assert (found.score_mean, found.score_std) == pytest.approx((-1, 1))
    assert (found.logprob_mean, found.logprob_std) == pytest.approx((-2, 1))
    assert found.weight == 1.0
    flat = fit_blend(np.array([0.5, 0.5]), np.array([-1.0, -1.0]), np.array([True, False]), [np.array([0, 1])])
    assert (flat.score_std, flat.logprob_std) == (1.0, 1.0)


def test_a_weight_must_be_clearly_better_than_1() -> None:
    rng = np.random.default_rng(0)
    correct = np.array([True, False] * 100)
    problems = [np.array([2 * index, 2 * index + 1]) for index in range(100)]
    telling, noise = np.where(correct, 0.3, -0.3) + 0.3 * rng.standard_normal(200), rng.standard_normal(200)
    by_score = fit_blend(np.exp(telling - 2), noise, correct, problems)
    by_logprob = fit_blend(np.exp(noise - 4), telling, correct, problems)
    both = fit_blend(np.exp(telling - 2), telling + 0.1 * rng.standard_normal(200), correct, problems)
    assert by_score.weight == min(WEIGHTS) and by_logprob.weight == max(WEIGHTS) and both.weight == 1.0
