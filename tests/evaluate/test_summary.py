from pathlib import Path

import numpy as np
import pytest
from rollouts.made import STEP, rollout, store

from reflectgen.evaluate.summary import Summary
from reflectgen.metrics import mean_interval


def test_a_summary_by_hand(tmp_path: Path) -> None:
    """p0: 2 of 4 right; p1: 0 of 2; p2 has no gold answer."""
    first = [rollout("p0", sample, correct=sample < 2) for sample in range(4)]
    second = [
        rollout("p1", 0, correct=False, finish="length", steps=(STEP, STEP)),
        rollout("p1", 1, correct=False, finish="failed", error="?", token_ids=(3,), steps=()),
    ]
    third = [rollout("p2", sample, correct=None) for sample in (0, 1)]
    summary = Summary.of(store(tmp_path, [first, second + third]))
    assert (summary.problems, summary.traces, summary.failed) == (3, 8, 1)
    assert summary.pass_at_1 is not None and summary.any_right is not None
    assert summary.pass_at_1.estimate == pytest.approx((0.5 + 0.0) / 2)
    assert summary.pass_at_1 == mean_interval(np.array([0.5, 0.0]))
    assert summary.any_right.estimate == 0.5
    assert summary.unfinished == 1 / 8
    assert summary.tokens == (7 * 3 + 1) / 8
    assert summary.steps == (6 + 2 + 0) / 8


def test_of_no_trace_everything_is_nothing(tmp_path: Path) -> None:
    summary = Summary.of(store(tmp_path, []))
    assert (summary.problems, summary.traces, summary.unfinished, summary.tokens, summary.steps) == (0, 0, 0, 0, 0)
    assert summary.pass_at_1 is summary.any_right is None


def test_without_outcomes_there_is_no_accuracy(tmp_path: Path) -> None:
    summary = Summary.of(store(tmp_path, [[rollout(correct=None)]]))
    assert summary.pass_at_1 is summary.any_right is None
