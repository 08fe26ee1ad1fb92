"""What a store comes to, in a few numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from reflectgen.metrics import Interval, interval, mean
from reflectgen.rollouts import Store
from reflectgen.rollouts.shard import read_table

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("problem_id", "correct", "finish", "token_ids", "steps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Numbers over traces and problems. Accuracies are None where no outcome is known."""

    problems: int
    traces: int
    failed: int
    """Traces that an error ended; they count as what they are graded, and in every mean."""
    pass_at_1: Interval | None
    """Share of right traces, the mean over problems with its 95 % bootstrap interval (problems drawn)."""
    any_right: Interval | None
    """Share of problems with a right trace, likewise."""
    unfinished: float
    """Share of traces that ended at their token limit."""
    tokens: float
    """Mean length of a trace, thinking and reply."""
    steps: float
    """Mean number of graded steps of a trace."""

    @classmethod
    def of(cls, store: Store) -> Summary:
        """The summary of a store; only the columns that it needs are read."""
        shards = [read_table(path, COLUMNS) for path in store.shards]
        problems, correct, finishes = (
            [value for shard in shards for value in shard.column(name).to_pylist()] for name in COLUMNS[:3]
        )
        outcomes: dict[str, list[bool]] = defaultdict(list)
        for problem, right in zip(problems, correct, strict=True):
            if right is not None:
                outcomes[problem].append(right)
        return cls(
            problems=len(set(problems)),
            traces=len(problems),
            failed=finishes.count("failed"),
            pass_at_1=_over_problems([fmean(right) for right in outcomes.values()]),
            any_right=_over_problems([float(any(right)) for right in outcomes.values()]),
            unfinished=finishes.count("length") / len(finishes),
            tokens=_mean_length(shards, "token_ids"),
            steps=_mean_length(shards, "steps"),
        )


def _mean_length(shards: Sequence[pa.Table], column: str) -> float:
    """Mean number of elements of a column of lists."""
    import pyarrow.compute as pc

    return fmean(length for shard in shards for length in pc.list_value_length(shard.column(column)).to_pylist())


def _over_problems(values: list[float]) -> Interval | None:
    return interval(mean, np.array(values)) if values else None
