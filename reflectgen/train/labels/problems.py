"""The problem behind each stored trace, with its gold answers, and the prompt that it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from reflectgen import tasks
from reflectgen.errors import InputError, OptionError
from reflectgen.rollouts import Rollout, Store, prompt_hash
from reflectgen.types import Problem

SPLITS = ("train", "validation", "test")
"""Splits in which a problem is looked for; a task may name its problems by them."""


class Problems:
    """Finds the problem that a trace was sampled for. That its prompt is the stored one is checked by its hash."""

    def __init__(self, store: Store, encode: Callable[[str], Sequence[int]], data: Sequence[Path] = ()) -> None:
        """`encode` makes a problem's prompt as the store's was made; `data` are the files of the store's task."""
        self._store, self._encode, self._data = store, encode, data
        self._task = tasks.named(store.header.task)
        self._found: dict[int, tuple[Problem, tuple[int, ...]]] = {}

    def of(self, rollout: Rollout) -> Problem:
        """The problem; raises `InputError` where none of that id makes the prompt that was sampled from."""
        return self._lookup(rollout)[0]

    def prompt(self, rollout: Rollout) -> tuple[int, ...]:
        """Token ids of the prompt; raises as `of` does."""
        return self._lookup(rollout)[1]

    def _lookup(self, rollout: Rollout) -> tuple[Problem, tuple[int, ...]]:
        if rollout.prompt_hash not in self._found:
            self._found[rollout.prompt_hash] = self._find(rollout)
        return self._found[rollout.prompt_hash]

    def _find(self, rollout: Rollout) -> tuple[Problem, tuple[int, ...]]:
        for problem in self._candidates(rollout.problem_id):
            ids = tuple(self._encode(problem.text))
            if prompt_hash(ids) == rollout.prompt_hash:
                return problem, ids
        raise InputError(
            f"Problem '{rollout.problem_id}' of {self._store.folder} is not among those of the task {self._task.name}, or "
            "was sampled from another prompt: name the files that it was sampled from with --data, and the same --model."
        )

    def _candidates(self, name: str) -> Sequence[Problem]:
        return [self._task.remake(name)] if self._task.remake else self._read.get(name, [])

    @cached_property
    def _read(self) -> dict[str, list[Problem]]:
        """Id -> the problems of that id, one for each split and file that has it."""
        if not self._data:
            raise InputError(f"The gold answers are in the files of the task {self._task.name}: name them with --data.")
        found: dict[str, list[Problem]] = {}
        for path in self._data:
            for split in SPLITS:
                for problem in self._load(path, split):
                    found.setdefault(problem.id, []).append(problem)
        return found

    def _load(self, path: Path, split: str) -> list[Problem]:
        """The problems of a split; none where the task has no such split."""
        try:
            return self._task.load(path, split, None, 0)
        except OptionError:
            return []
