"""Gold answers must pass their own grader, and wrong ones that are like them must not: checked without a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from reflectgen.answers import canonical, normalise
from reflectgen.quantity import quantity
from reflectgen.tasks.base import Task
from reflectgen.types import Problem

_LAST_DIGIT = re.compile(r"\d(?!.*\d)", re.ASCII | re.DOTALL)


def verdicts(task: Task, pairs: Sequence[tuple[Problem, str]], workers: int = 2) -> Iterator[bool]:
    """Whether each answer to its problem is graded as right, in order; `workers` are graded at a time.

    Raises what `task.ready` raises before any is.
    """
    task.ready()
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(lambda pair: task.grade(pair[1], pair[0]), pairs)


def changed(task: Task, problem: Problem) -> str | None:
    """A wrong answer like the problem's first gold one: the task's own (`Task.mutate`), else that of `change`.

    It is changed again where it is another gold answer; None where that leads to none that is not.
    """
    if task.mutate:
        return task.mutate(problem)
    golds, wrong = set(map(canonical, problem.answers)), problem.answers[0]
    for _ in problem.answers:
        wrong = change(wrong)
        if canonical(wrong) not in golds:
            return wrong
    return None


def change(answer: str) -> str:
    """A number plus one; a formula with another last digit, or with one added where it has none; a word denied."""
    number = quantity(normalise(answer))
    if number is not None:
        return str(number.value + 1)
    if last := _LAST_DIGIT.search(answer):
        return f"{answer[: last.start()]}{(int(last[0]) + 1) % 10}{answer[last.end() :]}"
    return f"not {answer}" if normalise(answer).replace(" ", "").isalpha() else f"{answer}+1"
