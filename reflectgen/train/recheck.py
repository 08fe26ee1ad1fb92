"""Stored traces whose answers are read and checked anew: a better grader needs no new samples.

The new store has the old one's tokens and scores; answers and outcomes are what the task, as it is now, makes of the replies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reflectgen import marks, prompts, tasks
from reflectgen.errors import InputError
from reflectgen.rollouts import Rollout, Store, read_shard
from reflectgen.steps import Segmenter, TokenTable
from reflectgen.tasks import Task
from reflectgen.train.labels import Problems
from reflectgen.train.outcomes import reply_of
from reflectgen.train.spans import prompt_config
from reflectgen.types import Problem

Progress = Callable[[int, int], None]
"""Told how many traces are checked, and of how many."""


def recheck(
    store: Store,
    tokenizer: Any,
    generation_config: Any,
    output: Path,
    *,
    data: Sequence[Path] = (),
    progress: Progress = lambda done, total: None,
) -> Store:
    """A store in `output` with the traces of `store`, answered and checked by its task as it is now.

    `tokenizer` and `generation_config` are the model's, `data` the files that the task reads its problems from. Shards that
    `output` has are not made again, and traces that failed stay as they are. Raises `InputError` where `output` holds
    something else or is the store itself, and what `Problems.of` raises.
    """
    if output.resolve() == store.folder.resolve():
        raise InputError(f"The checked traces cannot replace those in {store.folder}: name another folder.")
    config, task = prompt_config(store), tasks.named(store.header.task)
    task.ready()
    table = TokenTable(tokenizer)
    checker = _Checker(
        task=task,
        problems=Problems(store, lambda problem: prompts.encode(problem, config, tokenizer), data),
        table=table,
        segmenter=marks.segmenter(store.header.step_rule, config, table),
        ends=marks.end_tokens(generation_config, tokenizer) | marks.stop_tokens(config, table),
    )
    checked, done = Store.create(output, store.header), 0
    total = sum(1 for path in store.shards for _ in read_shard(path))
    for path in store.shards:
        index, rows = int(path.stem.rpartition("-")[2]), list(read_shard(path))
        if not checked.has_shard(index):
            new = [row if row.finish == "failed" else checker(row) for row in rows]
            checked.write_shard(index, new, compact=any(row.text is None for row in rows))
        done += len(rows)
        progress(done, total)
    return checked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checker:
    task: Task
    problems: Problems
    table: TokenTable
    segmenter: Segmenter
    ends: frozenset[int]

    def __call__(self, row: Rollout) -> Rollout:
        """The row with the answer and the outcome that the task finds now."""
        problem = self.problems.of(row)
        reply = reply_of(self.segmenter, self.table, self.ends, self.problems.prompt(row), row.token_ids)
        answer = self.task.extract(reply) if reply else None
        return replace(row, answer=answer, correct=self._outcome(answer, problem))

    def _outcome(self, answer: str | None, problem: Problem) -> bool | None:
        return self.task.grade(answer, problem) if self.task.grades(problem) else None
