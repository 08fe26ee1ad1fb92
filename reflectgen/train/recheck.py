"""Stored traces whose answers are read and checked anew: a better grader needs no new samples.

The new store has the old one's tokens and scores; answers and outcomes are what the task, as it is now, makes of the replies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reflectgen import tasks
from reflectgen.errors import InputError
from reflectgen.rollouts import Rollout, Store, read_shard
from reflectgen.tasks import Task
from reflectgen.train.texts import Texts

Progress = Callable[[int, int], None]
"""Told how many traces are checked, and of how many."""


def recheck(store: Store, texts: Texts, output: Path, progress: Progress = lambda done, total: None) -> Store:
    """A store in `output` with the traces of `store`, answered and checked by its task as it is now.

    Shards that `output` has are not made again, and traces that failed stay as they are. Raises `InputError` where `output`
    holds something else or is the store itself, and where the task's problems are needed and not there.
    """
    if output.resolve() == store.folder.resolve():
        raise InputError(f"The checked traces cannot replace those in {store.folder}: name another folder.")
    task = tasks.named(store.header.task)
    task.ready()
    checked, done = Store.create(output, store.header), 0
    total = sum(1 for path in store.shards for _ in read_shard(path))
    for path in store.shards:
        index, rows = int(path.stem.rpartition("-")[2]), list(read_shard(path))
        if not checked.has_shard(index):
            new = [row if row.finish == "failed" else _checked(row, task, texts) for row in rows]
            checked.write_shard(index, new, compact=any(row.text is None for row in rows))
        done += len(rows)
        progress(done, total)
    return checked


def _checked(row: Rollout, task: Task, texts: Texts) -> Rollout:
    problem, reply = texts.problem(row), texts.reply(row)
    answer = task.extract(reply) if reply else None
    return replace(row, answer=answer, correct=task.grade(answer, problem) if task.grades(problem) else None)
