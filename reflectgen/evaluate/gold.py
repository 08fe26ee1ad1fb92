"""What a benchmark's own answers come to under its grader: all golds must pass, and all changed ones must be refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from reflectgen.errors import InputError
from reflectgen.tasks.base import Task
from reflectgen.tasks.gold import changed, verdicts
from reflectgen.types import Problem

Pairs = Sequence[tuple[Problem, str]]
Observe = Callable[[int], None]
"""Told how many answers have been graded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """Answers of one kind, and those that were graded otherwise than they must be."""

    count: int
    faults: tuple[tuple[str, str], ...]
    """Problem and answer of each."""
    seconds: float

    @property
    def share(self) -> float:
        """Share that was graded as it must be; 1 where there are none."""
        return 1 - len(self.faults) / self.count if self.count else 1.0

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        faults = [{"id": name, "answer": answer} for name, answer in self.faults]
        return {"count": self.count, "share": self.share, "seconds": round(self.seconds, 3), "faults": faults}


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldCheck:
    """What the check of a task's problems came to."""

    task: str
    problems: int
    golds: Graded
    """Gold answers, of which those are faults that were refused."""
    changed: Graded
    """Changed ones, one of each problem whose gold answer can be changed, of which those are faults that passed."""

    @property
    def holds(self) -> bool:
        """Whether there is no fault."""
        return not self.golds.faults and not self.changed.faults

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        parts = {"golds": self.golds.plain(), "changed": self.changed.plain()}
        return {"task": self.task, "problems": self.problems, **parts, "holds": self.holds}


def answers_of(task: Task, problems: Sequence[Problem]) -> tuple[Pairs, Pairs]:
    """All gold answers and the changed ones; raises `InputError` where the problems have no gold answers."""
    golds = [(problem, answer) for problem in problems for answer in problem.answers]
    if not golds:
        raise InputError(f"The rows of {task.name} hold no gold answers: there is nothing to check.")
    wrong = [(problem, changed(task, problem)) for problem in problems if problem.answers]
    return golds, [(problem, answer) for problem, answer in wrong if answer is not None]


def check_gold(task: Task, golds: Pairs, wrong: Pairs, observe: Observe = lambda graded: None) -> GoldCheck:
    """Grade the gold answers and the changed ones. Raises what `task.ready` raises before any is."""
    return GoldCheck(
        task=task.name,
        problems=len({problem.id for problem, _ in golds}),
        golds=_graded(task, golds, True, observe),
        changed=_graded(task, wrong, False, lambda graded: observe(len(golds) + graded)),
    )


def _graded(task: Task, pairs: Pairs, right: bool, observe: Observe) -> Graded:
    began, faults = time.perf_counter(), []
    for number, (pair, verdict) in enumerate(zip(pairs, verdicts(task, pairs), strict=True), start=1):
        if verdict is not right:
            faults.append((pair[0].id, pair[1]))
        observe(number)
    return Graded(count=len(pairs), faults=tuple(faults), seconds=time.perf_counter() - began)
