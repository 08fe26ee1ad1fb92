"""The traces of a store anew, in a store beside it: same tokens, other grades or outcomes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reflectgen.errors import InputError
from reflectgen.rollouts.row import Header, Rollout
from reflectgen.rollouts.shard import read_shard, shard_index
from reflectgen.rollouts.store import Store


def beside(store: Store, output: Path, header: Header) -> Store:
    """A store in `output`, new or begun, for the rewritten traces of `store`.

    Raises `InputError` where that is `store` itself, or holds something else.
    """
    if output.resolve() == store.folder.resolve():
        raise InputError(f"The new traces cannot replace those in {store.folder}: name another folder.")
    return Store.create(output, header)


def rewrite(
    store: Store,
    target: Store,
    change: Callable[[Rollout], Rollout],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Fill `target` with what `change` makes of each trace of `store`; shards that it has are not made again.

    `progress` is told how many shards are done, and of how many.
    """
    for done, path in enumerate(store.shards, start=1):
        if not target.has_shard(index := shard_index(path)):
            rows = list(read_shard(path))
            target.write_shard(index, list(map(change, rows)), compact=any(row.text is None for row in rows))
        progress(done, len(store.shards))
