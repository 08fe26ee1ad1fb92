"""Several stores become one: of other problems, or of other seeds for the same problems."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reflectgen.errors import InputError
from reflectgen.rollouts.row import Rollout
from reflectgen.rollouts.shard import read_shard
from reflectgen.rollouts.store import Store, check_same


def merge(stores: Sequence[Store], folder: Path, *, compact: bool = False) -> Store:
    """One store in `folder` with the traces of all, in order; it appears whole or not at all.

    Traces of a problem that an earlier store holds too, by another seed, are numbered on behind those. Labels that every
    store has come along. Raises `InputError` where headers differ, where a problem was sampled by one seed in two stores,
    where two problems have one id, or where `folder` has files.
    """
    for store in stores[1:]:
        check_same(stores[0].header, store.header, f"The store {store.folder}")
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise InputError(f"{folder} exists already: name another folder to merge into.")
    scratch = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        _fill(Store.create(scratch, stores[0].header), stores, compact)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Store.open(folder)


def _fill(merged: Store, stores: Sequence[Store], compact: bool) -> None:
    numbering = _Numbering()
    names = set.intersection(*(set(store.label_names) for store in stores))
    labels: dict[str, dict[tuple[str, int], tuple[float, ...]]] = {name: {} for name in names}
    for store in stores:
        numbering.begin()
        for path in store.shards:
            merged.write_shard(len(merged.shards), [numbering.place(row) for row in read_shard(path)], compact=compact)
        for name, found in labels.items():
            found |= {numbering.key(*key): values for key, values in store.labels(name).items()}
    for name, found in labels.items():
        merged.write_labels(name, found)


class _Numbering:
    """Numbers the samples of each problem on, store after store."""

    def __init__(self) -> None:
        self._seeds: dict[tuple[str, int], int] = {}  # (problem, seed) -> number of the store that has it
        self._prompts: dict[str, int] = {}  # problem -> hash of its prompt
        self._counts: dict[str, int] = {}  # problem -> one past its highest sample in the stores so far
        self._offsets: dict[str, int] = {}  # the same, before the present store
        self._store = -1

    def begin(self) -> None:
        """The next store begins."""
        self._store += 1
        self._offsets = dict(self._counts)

    def key(self, problem: str, sample: int) -> tuple[str, int]:
        """What a key of the present store becomes."""
        return problem, sample + self._offsets.get(problem, 0)

    def place(self, row: Rollout) -> Rollout:
        """The row of the present store under its new number."""
        if self._seeds.setdefault((row.problem_id, row.seed), self._store) != self._store:
            raise InputError(
                f"Problem '{row.problem_id}' was sampled with seed {row.seed} in two of the stores: leave one of them out."
            )
        if self._prompts.setdefault(row.problem_id, row.prompt_hash) != row.prompt_hash:
            raise InputError(
                f"Two problems of the stores have the id '{row.problem_id}': give them ids of their own and sample anew."
            )
        problem, sample = self.key(*row.key)
        self._counts[problem] = max(self._counts.get(problem, 0), sample + 1)
        return replace(row, sample=sample)
