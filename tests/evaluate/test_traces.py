"""Columns of a store, arranged by problem; by hand."""

from pathlib import Path

import numpy as np
import pytest
from rollouts.made import COST, STEP, rollout, store

from reflectgen.errors import InputError
from reflectgen.evaluate.traces import Spent, Traces
from reflectgen.types import Cost


def test_traces_are_arranged_by_problem_and_sample(tmp_path: Path) -> None:
    late = rollout("p0", 1, correct=False, answer="3", score=0.25, tokens=9, steps=(STEP, STEP))
    other = [rollout("p1", sample, answer=" 2.0", forced_spans=()) for sample in (0, 1)]
    found = Traces.of(store(tmp_path, [[late, other[0]], [rollout("p0", 0), other[1]]]))
    assert found.problems == ("p0", "p1") and found.samples == 2 and found.notes == ()
    assert found.places.tolist() == [[2, 0], [1, 3]]
    assert found.correct.tolist() == [[True, False], [True, True]]
    assert found.answers.tolist() == [[0, 1], [0, 0]]
    assert found.score.tolist() == [[0.75, 0.25], [0.75, 0.75]] and found.tokens.tolist() == [[2, 9], [2, 2]]
    assert found.generated.tolist() == [[2, 2], [3, 3]]  # one of three tokens was forced
    assert list(found.step_scores()) == [[0.75], [0.75, 0.75], [0.75], [0.75]]
    assert found.steps_of(1) == (STEP, STEP) and found.graded and found.confident


def test_costs_are_of_all_seeds_of_a_problem(tmp_path: Path) -> None:
    rows = [rollout("p0", sample, seed=sample // 2) for sample in range(4)]
    assert Traces.of(store(tmp_path / "a", [rows])).spent == Spent(
        tokens_generated=8.0, tokens_scored=0.0, tokens_prefilled=6.0, forward_passes=8.0, seconds=1.0
    )
    uncounted = Cost(tokens_generated=6, forward_passes=None)
    known = [rollout("p0", 0), rollout("p1", 0, cost=uncounted)]
    assert Traces.of(store(tmp_path / "b", [known])).spent.forward_passes is None
    assert Traces.of(store(tmp_path / "c", [[rollout(cost=uncounted)]])).spent == Spent(tokens_generated=2.0, tokens_scored=0.0)


def test_of_unequal_problems_the_least_number_is_used_and_told(tmp_path: Path) -> None:
    rows = [rollout("p0", sample) for sample in (3, 1, 2)] + [rollout("p1", sample) for sample in (0, 1)]
    found = Traces.of(store(tmp_path, [rows]))
    assert found.places.tolist() == [[1, 2], [3, 4]]  # samples 1 and 2 of the first
    assert found.notes == ("Problems hold 2 to 3 traces: the first 2 of each are used.",)
    assert found.spent == Spent(tokens_generated=4.0)  # what a part of them cost is not known


def test_what_has_no_outcome_is_left_out_and_told(tmp_path: Path) -> None:
    rows = [rollout("p0"), rollout("p1", correct=None), rollout("p2", finish="failed", error="?", correct=False)]
    found = Traces.of(store(tmp_path / "a", [rows]))
    assert found.problems == ("p0", "p2") and found.ended.tolist() == [[True], [False]]
    assert found.answers.tolist() == [[0], [-1]]  # a failed one has no vote
    assert found.notes == (
        "1 problems are left out: not all their traces have an outcome.",
        "1 traces failed: they are never chosen where another one ended.",
    )
    with pytest.raises(InputError, match="has no outcomes: sample problems whose answers are known"):
        Traces.of(store(tmp_path / "b", [[rollout(correct=None)]]))


def test_a_trace_that_is_stored_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sample 0 of problem 'p0' twice"):
        Traces.of(store(tmp_path, [[rollout(), rollout()]]))


def test_unknown_numbers_are_nan(tmp_path: Path) -> None:
    bare = STEP.__class__(text="", token_span=(0, 2), score=None, logit=None, logprob=-0.5, confidence=2.0)
    found = Traces.of(store(tmp_path, [[rollout(score=None, steps=(bare,), confidence=0.0, cost=COST)]]))
    assert np.isnan(found.score).all() and not found.graded and not found.confident
    assert found.steps_of(0) == (bare,)
