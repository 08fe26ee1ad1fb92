"""What is known of a trace before the training pass, against what the engine reports of the same tokens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import reinforced

from reflectgen import load, tasks
from reflectgen.train.outcomes import Examiner

CLOSED = "A: 1 + 1 = 2.\n\nB: 2 + 2 = 4.\n\n</think>\nThe answer is \\boxed{4}."


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return reinforced.trainer(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def examiner(made: Any) -> Examiner:
    found: Examiner = made.examiner
    return found


def ids(examiner: Examiner, text: str, *ends: int) -> list[int]:
    return [*examiner.table.encode(text), *ends]


def windows_by_hand(examiner: Examiner, completion: Sequence[int]) -> list[tuple[int, int]]:
    """At offset -1 the state that predicts completion token i is state i, counted from the prompt's last token."""
    at = [index for index, token in enumerate(completion) if token in examiner.segmenter.tokens]
    return [(index, index + 1) for index in at]


def test_a_trace_that_ended_is_graded_by_its_reply(examiner: Examiner) -> None:
    completion, prompt = ids(examiner, CLOSED, 1), ids(examiner, "<think>")
    outcome = examiner.examine(0, prompt, completion)
    assert examiner.reply(prompt, completion) == "\nThe answer is \\boxed{4}."
    assert outcome.correct == ("4" in examiner.problems[0].answers)
    assert (outcome.ended, outcome.counts, outcome.problem) == (True, True, 0)
    assert list(outcome.windows) == windows_by_hand(examiner, completion)
    assert len(outcome.windows) == 2


def test_a_right_answer_within_the_thinking_alone_earns_nothing(examiner: Examiner) -> None:
    (answer,) = examiner.problems[0].answers
    outcome = examiner.examine(0, ids(examiner, "<think>"), ids(examiner, f"It is \\boxed{{{answer}}}.\n\n", 1))
    assert not outcome.correct
    assert outcome.ended


def test_a_right_answer_in_the_reply_earns_the_reward(examiner: Examiner) -> None:
    (answer,) = examiner.problems[0].answers
    completion = ids(examiner, f"A.\n\n</think>\nThe answer is \\boxed{{{answer}}}.", 1)
    assert examiner.examine(0, ids(examiner, "<think>"), completion).correct


def test_a_trace_that_was_cut_off_does_not_count(examiner: Examiner) -> None:
    outcome = examiner.examine(0, ids(examiner, "<think>"), ids(examiner, "A: 1 + 1 = 2.\n\nB"))
    assert (outcome.correct, outcome.ended, outcome.counts) == (False, False, False)


def test_a_right_answer_of_a_trace_that_was_cut_off_earns_nothing(examiner: Examiner) -> None:
    (answer,) = examiner.problems[0].answers
    outcome = examiner.examine(0, ids(examiner, "<think>"), ids(examiner, f"A.\n\n</think>\nIt is \\boxed{{{answer}}}."))
    assert (outcome.correct, outcome.ended) == (False, False)


def test_decoding_reports_the_same_of_its_own_traces(examiner: Examiner, tmp_path: Path) -> None:
    with load("tiny", device="cpu") as reflector:
        result = reflector.solve(examiner.problems[0], k=4, seed=1, temperature=1.0, max_tokens=200)
    prompt = ids(examiner, "<think>")
    for trajectory in result.trajectories:
        outcome = examiner.examine(0, prompt, trajectory.token_ids)
        right = tasks.named("wordproblems").grade(trajectory.answer, examiner.problems[0])
        assert outcome.ended == (trajectory.finish == "stop")
        assert outcome.correct == (outcome.ended and right)
        assert [high for _, high in outcome.windows] == [step.token_span[1] for step in trajectory.steps]
