from dataclasses import replace

import pytest

from reflectgen.errors import SandboxError
from reflectgen.tasks import gold
from reflectgen.tasks.jsonl import TASK
from reflectgen.types import Problem


def test_gold_answers_are_graded_in_order_and_those_without_are_left_out() -> None:
    rows = [Problem(text="a", id=str(index), answers=(str(index),)) for index in range(9)]
    odd = replace(TASK, grade=lambda answer, problem: int(answer or 0) % 2 == 1)
    results = gold.check(odd, [*rows, Problem(text="b", id="none")])
    assert [(problem.id, right) for problem, right in results] == [(str(index), index % 2 == 1) for index in range(9)]


def test_what_grading_lacks_is_told_first() -> None:
    def lacking() -> None:
        raise SandboxError("There is no sandbox.")

    with pytest.raises(SandboxError, match="There is no sandbox"):
        next(gold.check(replace(TASK, ready=lacking), []))
