"""Stored traces cut into steps: by any rule, not only the one that they were sampled under.

Positions are indices in the whole sequence, prompt and completion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reflectgen import prompts, tasks
from reflectgen.config import PromptConfig
from reflectgen.errors import InputError
from reflectgen.rollouts import Rollout, Store
from reflectgen.steps import Segmenter, read_window
from reflectgen.train.features import Reading
from reflectgen.train.labels import Problems


@dataclass(frozen=True, slots=True)
class Trace:
    """One stored trace, cut."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    """Positions of each graded step's tokens, half-open."""

    def positions(self, step: int, reading: Reading) -> range:
        """Positions of the states whose mean is read for a step."""
        return range(*read_window(self.spans[step], reading.offset, reading.pool))

    def length(self, readings: Iterable[Reading]) -> int:
        """Tokens that must be fed for all that is read; 0 where there is no step."""
        if not self.spans:
            return 0
        return max(self.positions(len(self.spans) - 1, reading).stop for reading in readings)


def cut(segmenter: Segmenter, prompt: Sequence[int], rollout: Rollout) -> Trace:
    """The graded steps of a stored trace."""
    start = len(prompt)
    forced = [(low + start, high + start) for low, high in rollout.forced_spans]
    spans = segmenter.steps([*prompt, *rollout.token_ids], start, forced)
    return Trace(tuple(prompt), rollout.token_ids, tuple(spans))


class Prompts:
    """The prompt of each stored trace: the stored one, or in a compact store the one that its task's problem makes."""

    def __init__(self, store: Store, tokenizer: Any, data: Sequence[Path] = ()) -> None:
        """`data` are the files that the store's task reads its problems from."""
        config = prompt_config(store)
        self._store, self._data = store, data
        self._problems = Problems(store, lambda problem: prompts.encode(problem, config, tokenizer), data)

    def of(self, rollout: Rollout) -> tuple[int, ...]:
        """Its token ids; raises `InputError` where no problem of the task makes the prompt that was sampled from."""
        if rollout.prompt_ids is not None:
            return rollout.prompt_ids
        task = tasks.named(self._store.header.task)
        if not self._data and task.remake is None:
            raise InputError(
                f"The store {self._store.folder} is compact: name the files that its problems were read from with --data."
            )
        return self._problems.prompt(rollout)


def prompt_config(store: Store) -> PromptConfig:
    """How the problems of a store became prompts."""
    return PromptConfig.parse(dict(store.header.prompt), str(store.folder))
