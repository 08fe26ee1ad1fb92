"""A store: a folder of shards with one header, and the labels that were made for its traces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from reflectgen.errors import InputError, OptionError
from reflectgen.rollouts.row import Header, Rollout
from reflectgen.rollouts.shard import read_header, read_shard, read_table, shard_name, shards, write_shard, write_table


class Store:
    """A folder of rollouts, read as a whole or a shard at a time."""

    def __init__(self, folder: Path, header: Header) -> None:
        """Use `open` or `create`."""
        self.folder = folder
        self.header = header

    @classmethod
    def create(cls, folder: Path, header: Header) -> Self:
        """A new store, or the one that is there if its header is equal; raises `InputError` where it is another's."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            others = any(not path.name.startswith(".") for path in folder.iterdir())
        except OSError as error:
            raise InputError(f"The folder {folder} cannot be written: {error.strerror}.") from None
        if shards(folder):
            check_same(cls.open(folder).header, header, f"The store {folder}")
        elif others:
            raise InputError(f"The folder {folder} holds other files and no rollouts: name another folder.")
        return cls(folder, header)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The store in `folder`; raises `InputError` where there is none, or where its shards do not belong together."""
        paths = shards(folder)
        if not paths:
            raise InputError(f"The folder {folder} holds no rollouts (part-*.parquet): sample some with reflectgen rollout.")
        header = read_header(paths[0])
        for path in paths[1:]:
            check_same(header, read_header(path), f"The shard {path}")
        return cls(folder, header)

    @property
    def shards(self) -> list[Path]:
        """Its shards, in order."""
        return shards(self.folder)

    def has_shard(self, index: int) -> bool:
        """Whether shard `index` was written."""
        return (self.folder / shard_name(index)).exists()

    def write_shard(self, index: int, rollouts: Sequence[Rollout], *, compact: bool = False) -> Path:
        """Write shard `index`, all or nothing.

        Raises `InputError` where the disk refuses, or where another process began the folder with another header.
        """
        if present := self.shards:
            check_same(read_header(present[0]), self.header, f"The store {self.folder}")
        path = self.folder / shard_name(index)
        write_shard(path, rollouts, self.header, compact=compact)
        return path

    def __iter__(self) -> Iterator[Rollout]:
        for path in self.shards:
            yield from read_shard(path)

    @cached_property
    def rollouts(self) -> list[Rollout]:
        """All rows in the order of the shards, as they are when first asked for."""
        return list(self)

    def problems(self) -> dict[str, list[Rollout]]:
        """Problem id -> its traces in the order of their samples; raises `InputError` where one is stored twice."""
        found: dict[str, dict[int, Rollout]] = {}
        for rollout in self.rollouts:
            samples = found.setdefault(rollout.problem_id, {})
            if rollout.sample in samples:
                told = f"sample {rollout.sample} of problem '{rollout.problem_id}' twice"
                raise InputError(f"The store {self.folder} holds {told}: sample it anew, and join stores with rollouts merge.")
            samples[rollout.sample] = rollout
        return {problem: [samples[index] for index in sorted(samples)] for problem, samples in found.items()}

    def prompts(self) -> list[tuple[str, int]]:
        """Id and hash of the prompt of each problem, sorted."""
        tables = [read_table(path, ["problem_id", "prompt_hash"]) for path in self.shards]
        return sorted({(row["problem_id"], row["prompt_hash"]) for table in tables for row in table.to_pylist()})

    # -- labels ----------------------------------------------------------------------------------------------------

    @property
    def label_names(self) -> list[str]:
        """Names of the labels that were made."""
        return sorted(path.stem.removeprefix("labels-") for path in self.folder.glob("labels-*.parquet"))

    def labels(self, name: str) -> dict[tuple[str, int], tuple[float, ...]]:
        """(problem id, sample) -> a label in [0, 1] for each step; raises `InputError` where no such labels were made."""
        if name not in self.label_names:
            made = ", ".join(self.label_names) or "none"
            raise InputError(f"The store {self.folder} has no labels '{name}' (it has: {made}): make them first.")
        rows = read_table(self._labels_path(name)).to_pylist()
        return {(row["problem_id"], row["sample"]): tuple(row["labels"]) for row in rows}

    def write_labels(self, name: str, labels: Mapping[tuple[str, int], Sequence[float]]) -> Path:
        """Write the labels `name` of these traces, all or nothing, in place of those of that name."""
        import pyarrow as pa

        columns = {
            "problem_id": pa.array([problem for problem, _ in labels], pa.string()),
            "sample": pa.array([sample for _, sample in labels], pa.int32()),
            "labels": pa.array([list(values) for values in labels.values()], pa.list_(pa.float32())),
        }
        path = self._labels_path(name)
        write_table(path, pa.table(columns))
        return path

    def _labels_path(self, name: str) -> Path:
        return self.folder / f"labels-{check_label_name(name)}.parquet"


def check_label_name(name: str) -> str:
    """Return `name` if labels can be called that; raise `OptionError` otherwise."""
    if not re.fullmatch(r"[\w.-]+", name):
        raise OptionError(f"Labels cannot be called '{name}': use letters, digits, dots, hyphens and underscores.")
    return name


def check_same(expected: Header, found: Header, what: str) -> None:
    """Raise `InputError` naming the first thing in which two headers differ; `what` begins the sentence.

    What the user called the model does not count: its fingerprint says which it is.
    """
    ours, theirs = json.loads(expected.encode()), json.loads(found.encode())
    for name, value in ours.items():
        if name != "model" and value != theirs[name]:
            raise InputError(
                f"{what} has another {name} ({_difference(value, theirs[name])}): rollouts of different models or settings do "
                "not go into one store, so name another folder."
            )


def _difference(expected: Any, found: Any) -> str:
    """Both values, or of two mappings only what differs."""
    if isinstance(expected, dict) and isinstance(found, dict):
        names = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
        return f"{names[0]}: {_difference(expected.get(names[0]), found.get(names[0]))}"
    return f"{_short(expected)} against {_short(found)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if value != "" else "none"
    return text if len(text) <= 60 else text[:57] + "..."
