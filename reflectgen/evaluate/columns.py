"""The columns of a store that traces are decided and measured by, read one shard after another.

Of token ids only the lengths are kept, so that memory grows by some hundred bytes a trace and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from reflectgen.metrics import Floats, Ints
from reflectgen.rollouts import Store
from reflectgen.rollouts.shard import read_table

if TYPE_CHECKING:
    import pyarrow as pa

PLAIN = ("problem_id", "sample", "seed", "prompt_hash", "answer", "correct", "finish", "cost")
"""Columns that are read as they are."""
NUMBERS = ("score", "logprob", "confidence", "tokens")
"""Columns that are read as numbers; NaN for null."""
OF_STEPS = ("start", "stop", "score", "logit", "logprob", "confidence")
"""Fields of a step."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Columns:
    """All B rows of a store, in its order."""

    plain: Mapping[str, list[Any]]
    numbers: Mapping[str, Floats]
    generated: Floats
    """Tokens of each trace that were drawn, not forced."""
    steps: Mapping[str, Array]
    """Of all steps (S,) the fields, and `trace`, the row that each is of."""

    @classmethod
    def of(cls, store: Store) -> Self:
        """Raises `InputError` where a shard cannot be read."""
        plain: dict[str, list[Any]] = {name: [] for name in PLAIN}
        numbers: dict[str, list[Array]] = {name: [] for name in NUMBERS}
        steps: dict[str, list[Array]] = {name: [] for name in (*OF_STEPS, "trace")}
        generated: list[Floats] = []
        rows = 0
        for path in store.shards:
            table = read_table(path, (*PLAIN, *NUMBERS, "forced_spans", "steps"))
            for name in PLAIN:
                plain[name] += table.column(name).to_pylist()
            for name in NUMBERS:
                numbers[name].append(_numbers(table.column(name)))
            written = _lengths(read_table(path, ["token_ids"]).column(0))
            generated.append(written - _forced(table.column("forced_spans")))
            for name, values in _steps(table.column("steps")).items():
                steps[name].append(values + rows if name == "trace" else values)
            rows += table.num_rows
        return cls(plain, _joined(numbers), np.concatenate(generated), _joined(steps))


def _joined(parts: Mapping[str, list[Array]]) -> dict[str, Array]:
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _numbers(column: pa.ChunkedArray) -> Floats:
    numbers: Floats = column.to_numpy().astype(np.float64)
    return numbers


def _lengths(column: pa.ChunkedArray) -> Floats:
    import pyarrow.compute as pc

    return _numbers(pc.list_value_length(column))


def _forced(column: pa.ChunkedArray) -> Floats:
    """Tokens of each row that were forced upon it."""
    import pyarrow.compute as pc

    spans = pc.list_flatten(column)
    lengths = _numbers(pc.struct_field(spans, "stop")) - _numbers(pc.struct_field(spans, "start"))
    forced: Floats = np.bincount(_parents(column), weights=lengths, minlength=len(column)).astype(np.float64)
    return forced


def _steps(column: pa.ChunkedArray) -> dict[str, Array]:
    import pyarrow.compute as pc

    flat = pc.list_flatten(column)
    found: dict[str, Array] = {name: pc.struct_field(flat, name).to_numpy() for name in OF_STEPS}
    return {**found, "trace": _parents(column)}


def _parents(column: pa.ChunkedArray) -> Ints:
    """Row of each element of a column of lists."""
    return np.repeat(np.arange(len(column)), _lengths(column).astype(np.int64))
