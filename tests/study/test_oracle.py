"""First wrong steps, as the oracle has them and as step scores flag them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import stored
from step_features import FOUR

from reflectgen.metrics import NO_ERROR
from reflectgen.study.oracle import Oracle, best_threshold, flagged

TRACES = replace(FOUR, problems=("words/a", "words/b"))  # of 2, 1, 0 and 3 steps that end at 0, 1 / 2 / none / 3, 4, 5
LABELS = {
    ("words/a", 0): {0: 1.0, 1: 0.0},
    ("words/a", 1): {2: 1.0},
    ("words/b", 2): {},
    ("words/b", 3): {3: 0.0, 4: 1.0, 5: 0.0},
}


def test_first_errors_and_traces_that_are_all_right() -> None:
    oracle = Oracle(LABELS)
    found = oracle.first_errors(TRACES)
    assert found is not None and found.tolist() == [1, NO_ERROR, NO_ERROR, 0]
    assert oracle.all_right(TRACES).tolist() == [False, True, True, False]


def test_steps_that_are_not_the_labelled_ones_have_no_first_errors() -> None:
    assert Oracle({**LABELS, ("words/a", 1): {2: 1.0, 3: 1.0}}).first_errors(TRACES) is None
    assert Oracle({**LABELS, ("words/a", 1): {9: 1.0}}).first_errors(TRACES) is None
    missing = Oracle({key: steps for key, steps in LABELS.items() if key != ("words/b", 3)})
    assert missing.first_errors(TRACES) is None
    assert missing.all_right(TRACES).tolist() == [False, True, True, False]


def test_the_first_step_below_the_threshold_is_flagged() -> None:
    logits = np.array([2.0, -1.0, 1.0, 3.0, -2.0, -3.0])
    assert flagged(logits, TRACES, 0.0).tolist() == [1, NO_ERROR, NO_ERROR, 1]
    assert flagged(logits, TRACES, 1.5).tolist() == [1, 0, NO_ERROR, 1]
    assert flagged(logits, TRACES, -9.0).tolist() == [NO_ERROR] * 4


def test_the_threshold_is_the_one_with_the_best_f1() -> None:
    logits = np.array([2.0, -1.0, 1.0, -0.5, 2.0, 2.0])  # the wrong steps are at -1 and -0.5
    gold = np.array([1, NO_ERROR, NO_ERROR, 0])
    found = best_threshold(logits, TRACES, gold)
    assert -0.5 < found <= 1
    assert flagged(logits, TRACES, found).tolist() == gold.tolist()


def test_without_wrong_traces_there_is_no_best_threshold() -> None:
    assert best_threshold(np.zeros(6), TRACES, np.full(4, NO_ERROR)) == 0


def test_labels_are_read_under_the_names_of_the_features(tmp_path: Path) -> None:
    store = stored.write(tmp_path / "store", *stored.bundled(), problems=1, samples=2, events=[2])
    assert Oracle.of([store]) is None
    first, second = store.rollouts
    store.write_labels("oracle", {first.key: (1.0, 0.0)})
    found = Oracle.of([store])
    ends = [step.token_span[1] for step in first.steps]
    assert found is not None
    assert found.labels == {(f"wordproblems/{first.problem_id}", 0): {ends[0]: 1.0, ends[1]: 0.0}}
    assert second.key not in found.labels
    assert Oracle.of([store, store]) is None
