"""Chunks: the unit in which problems are sampled, written and redone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from reflectgen.errors import InputError, OptionError
from reflectgen.rollouts import Store, prompt_hash, shard_index
from reflectgen.rollouts.shard import read_table
from reflectgen.types import Problem

Key = tuple[str, int, int, int]
"""Of a trace: problem id, sample, seed, hash of its prompt."""
KEY = ("problem_id", "sample", "seed", "prompt_hash")


@dataclass(frozen=True, slots=True)
class Share:
    """One of several equal shares of the shards: those whose number is `index` modulo `count`."""

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `0/2`; raises `OptionError` where it is no share."""
        match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if not match or int(match[1]) >= int(match[2]):
            raise OptionError(f"--shard '{text}' is no share: of two processes one gets 0/2, the other 1/2.")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def takes(self, shard: int) -> bool:
        """Whether shard number `shard` belongs to it."""
        return shard % self.count == self.index


@dataclass(frozen=True, slots=True)
class Chunk:
    """Problems that are sampled together and become one shard."""

    index: int
    """Number of its shard."""
    problems: tuple[Problem, ...]
    prompts: Mapping[str, tuple[int, ...]]
    """Problem id -> token ids of its prompt."""

    def keys(self, k: int, seed: int) -> list[Key]:
        """Of the rows that its shard holds, in order."""
        hashes = {name: prompt_hash(prompt) for name, prompt in self.prompts.items()}
        return [(problem.id, sample, seed, hashes[problem.id]) for problem in self.problems for sample in range(k)]


def cut(problems: Sequence[Problem], prompts: Sequence[tuple[int, ...]], size: int) -> list[Chunk]:
    """Chunks of `size` problems, in order; the last one may be smaller."""
    chunks: list[Chunk] = []
    for start in range(0, len(problems), size):
        some = tuple(problems[start : start + size])
        named = {problem.id: prompt for problem, prompt in zip(some, prompts[start : start + size], strict=True)}
        chunks.append(Chunk(len(chunks), some, named))
    return chunks


def check_stored(store: Store, chunks: Sequence[Chunk], k: int, seed: int) -> None:
    """Raise `InputError` where a shard of the store is not the one that these chunks would write."""
    for path in store.shards:
        index = shard_index(path)
        wanted = chunks[index].keys(k, seed) if index < len(chunks) else []
        found = _stored_keys(path)
        if found != wanted:
            raise InputError(
                f"The shard {path} holds {_told(found)}; now it would be {_told(wanted)}: give the same problems, prompt, --k, "
                "--seed and --chunk to go on, or another folder."
            )


def _stored_keys(path: Path) -> list[Key]:
    columns = [column.to_pylist() for column in read_table(path, KEY).columns]
    return list(zip(*columns, strict=True))


def _told(keys: Sequence[Key]) -> str:
    """What a shard holds, in a few words."""
    if not keys:
        return "no shard at all"
    problems = list(dict.fromkeys(key[0] for key in keys))
    prompts = prompt_hash([key[3] for key in keys]) % 0x10000
    return (
        f"{len(problems)} problems from '{problems[0]}' on with {len(keys) // len(problems)} traces each, "
        f"seed {keys[0][2]}, prompts {prompts:04x}"
    )
