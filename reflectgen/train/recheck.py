"""Stored traces whose answers are read and checked anew: a better grader needs no new samples.

The new store has the old one's tokens and scores; answers and outcomes are what the task, as it is now, makes of the replies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reflectgen import tasks
from reflectgen.rollouts import Rollout, Store, beside, rewrite
from reflectgen.tasks import Task
from reflectgen.train.texts import Texts

Progress = Callable[[int, int], None]
"""Told how many shards are checked, and of how many."""


def recheck(store: Store, texts: Texts, output: Path, progress: Progress = lambda done, total: None) -> Store:
    """A store in `output` with the traces of `store`, answered and checked by its task as it is now.

    Shards that `output` has are not made again, and traces that failed stay as they are. Raises `InputError` where `output`
    holds something else or is the store itself, and where the task's problems are needed and not there.
    """
    task = tasks.named(store.header.task)
    task.ready()
    checked = beside(store, output, store.header)
    rewrite(store, checked, lambda row: _checked(row, task, texts), progress)
    return checked


def _checked(row: Rollout, task: Task, texts: Texts) -> Rollout:
    if row.finish == "failed":
        return row
    problem, reply = texts.problem(row), texts.reply(row)
    answer = task.extract(reply) if reply else None
    return replace(row, answer=answer, correct=task.grade(answer, problem) if task.grades(problem) else None)
