"""Gold answers must pass their own grader: every row of a benchmark can be checked without a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from reflectgen.tasks.base import Task
from reflectgen.types import Problem


def check(task: Task, problems: Sequence[Problem], workers: int = 2) -> Iterator[tuple[Problem, bool]]:
    """Each of `problems` that has a gold answer, in order, and whether the first of its answers is graded as right.

    `workers` are graded at a time. Raises what `task.ready` raises before any is.
    """
    task.ready()
    known = [problem for problem in problems if problem.answers]
    with ThreadPoolExecutor(workers) as pool:
        yield from zip(known, pool.map(lambda problem: task.grade(problem.answers[0], problem), known), strict=True)
