from dataclasses import replace

import pytest

from reflectgen.errors import InputError, SandboxError
from reflectgen.evaluate.gold import answers_of, check_gold
from reflectgen.tasks.jsonl import TASK
from reflectgen.types import Problem

PROBLEMS = [Problem(text="?", id=str(n), answers=(str(n), f"{n}.0")) for n in range(3)] + [Problem(text="?", id="open")]


def test_every_gold_answer_passes_and_a_changed_one_of_each_problem_does_not() -> None:
    golds, wrong = answers_of(TASK, PROBLEMS)
    seen: list[int] = []
    found = check_gold(TASK, golds, wrong, seen.append)
    assert (found.problems, found.golds.count, found.changed.count) == (3, 6, 3)
    assert found.holds and found.golds.share == found.changed.share == 1.0
    assert seen == list(range(1, 10))
    assert found.golds.seconds > 0
    assert found.plain()["changed"]["faults"] == []


def test_faults_of_both_kinds_are_told() -> None:
    odd = replace(TASK, grade=lambda answer, problem: answer in ("0", "2"))
    found = check_gold(odd, *answers_of(odd, [Problem(text="?", id=str(n), answers=(str(n),)) for n in range(3)]))
    assert not found.holds
    assert found.golds.faults == (("1", "1"),)
    assert found.changed.faults == (("1", "2"),)
    assert found.golds.share == found.changed.share == pytest.approx(2 / 3)


def test_what_cannot_be_changed_is_not_counted() -> None:
    task = replace(TASK, mutate=lambda problem: None if problem.id == "0" else "x")
    golds, wrong = answers_of(task, PROBLEMS)
    assert len(golds) == 6 and [problem.id for problem, _ in wrong] == ["1", "2"]
    assert check_gold(task, golds, []).changed.share == 1.0


def test_rows_without_gold_answers_are_told() -> None:
    with pytest.raises(InputError, match="The rows of jsonl hold no gold answers: there is nothing to check"):
        answers_of(TASK, PROBLEMS[3:])


def test_what_grading_lacks_is_told_first() -> None:
    def lacking() -> None:
        raise SandboxError("There is no sandbox.")

    task = replace(TASK, ready=lacking)
    with pytest.raises(SandboxError, match="There is no sandbox"):
        check_gold(task, *answers_of(task, PROBLEMS))
