"""Shards as files: the columns of a parquet file, and rows in and out of it. A file appears whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from reflectgen.errors import InputError
from reflectgen.rollouts.row import SCHEMA, Header, Rollout
from reflectgen.types import Cost, Step

if TYPE_CHECKING:
    import pyarrow as pa

KEY = b"reflectgen"
"""Where a shard's metadata holds its header, as JSON."""
GRADES = ("score", "logit", "logprob", "confidence")
"""Fields of a step that are stored as they are."""

T = TypeVar("T")


def shard_name(index: int) -> str:
    """File name of shard `index`."""
    return f"part-{index:05d}.parquet"


def shard_index(path: Path) -> int:
    """The number in a shard's file name."""
    return int(path.stem.rpartition("-")[2])


def shards(folder: Path) -> list[Path]:
    """The shards in `folder`, in order."""
    return sorted(folder.glob("part-*.parquet"), key=lambda path: (len(path.name), path.name))


def write_shard(path: Path, rollouts: Iterable[Rollout], header: Header, *, compact: bool) -> None:
    """Write `rollouts` as a shard, all or nothing. Raises `InputError` where the disk refuses."""
    import pyarrow as pa

    rows = [_row(rollout.compact() if compact else rollout) for rollout in rollouts]
    write_table(path, pa.Table.from_pylist(rows, schema=_schema(compact).with_metadata({KEY: header.encode()})))


def read_header(path: Path) -> Header:
    """The header of a shard; raises `InputError` where it is none of ours, or of another version."""
    import pyarrow.parquet as pq

    metadata = _reading(path, pq.read_schema).metadata or {}
    try:
        values = json.loads(metadata[KEY])
        if values["schema"] == SCHEMA:
            return Header(**values)
    except (KeyError, TypeError, ValueError):
        raise InputError(f"The file {path} is no shard of rollouts: move it away.") from None
    version = values["schema"]
    raise InputError(f"The shard {path} has schema version {version}, and this version reads {SCHEMA}: sample it anew.")


def read_shard(path: Path) -> Iterator[Rollout]:
    """The rows of a shard; raises `InputError` where it cannot be read."""
    for row in read_table(path).to_pylist():
        yield Rollout(
            **{
                **row,
                "prompt_ids": None if row["prompt_ids"] is None else tuple(row["prompt_ids"]),
                "token_ids": tuple(row["token_ids"]),
                "token_logprobs": tuple(map(float, row["token_logprobs"])),
                "forced_spans": tuple((span["start"], span["stop"]) for span in row["forced_spans"]),
                "steps": tuple(_step(step) for step in row["steps"]),
                "cost": Cost(**row["cost"]),
            }
        )


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """All or some columns of a parquet file; raises `InputError` where it cannot be read or a checksum is wrong."""
    import pyarrow.parquet as pq

    names = None if columns is None else list(columns)
    options = {"partitioning": None, "page_checksum_verification": True}  # a folder called a=b is not a column
    return _reading(path, lambda file: pq.read_table(file, columns=names, **options))


def write_table(path: Path, table: pa.Table) -> None:
    """Write a parquet file to a temporary name beside `path` and rename it; raises `InputError` where the disk refuses."""
    import pyarrow.parquet as pq

    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with scratch.open("wb") as file:
            pq.write_table(table, file, compression="zstd", compression_level=9, write_page_checksum=True)
        scratch.replace(path)
    except OSError as error:
        raise InputError(f"The file {path} cannot be written: {error.strerror or error}.") from None
    finally:
        scratch.unlink(missing_ok=True)


def _reading(path: Path, read: Callable[[Path], T]) -> T:
    """What `read` makes of the file, its faults told in one sentence."""
    import pyarrow as pa

    try:
        return read(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"The file {path} cannot be read ({str(error).splitlines()[0]}): restore or remove it.") from None


def _row(rollout: Rollout) -> dict[str, Any]:
    return {
        **{field.name: getattr(rollout, field.name) for field in fields(Rollout)},
        "forced_spans": [_span(span) for span in rollout.forced_spans],
        "steps": [{**_span(step.token_span), **{name: getattr(step, name) for name in GRADES}} for step in rollout.steps],
        "cost": asdict(rollout.cost),
    }


def _span(span: tuple[int, int]) -> dict[str, int]:
    return {"start": span[0], "stop": span[1]}


def _step(row: Mapping[str, Any]) -> Step:
    return Step(text="", token_span=(row["start"], row["stop"]), **{name: row[name] for name in GRADES})


def _schema(compact: bool) -> pa.Schema:
    """The columns; a compact store's log-probs of tokens are float16."""
    import pyarrow as pa

    ids, measure = pa.list_(pa.int32()), pa.float32()
    span = {"start": pa.int32(), "stop": pa.int32()}
    counts = {name: pa.int64() for name in ("tokens_generated", "tokens_prefilled", "tokens_scored", "forward_passes")}
    return pa.schema(
        {
            "problem_id": pa.string(),
            "sample": pa.int32(),
            "seed": pa.int64(),
            "prompt_hash": pa.int64(),
            "problem": pa.string(),
            "prompt_ids": ids,
            "token_ids": ids,
            "token_logprobs": pa.list_(pa.float16() if compact else pa.float32()),
            "forced_spans": pa.list_(pa.struct(span)),
            "text": pa.string(),
            "steps": pa.list_(pa.struct({**span, **dict.fromkeys(GRADES, measure)})),
            "score": measure,
            "logprob": measure,
            "confidence": measure,
            "tokens": pa.int32(),
            "answer": pa.string(),
            "correct": pa.bool_(),
            "finish": pa.string(),
            "error": pa.string(),
            "cost": pa.struct({**counts, "seconds": pa.float64()}),
        }
    )
