"""What a store comes to, in a few numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from reflectgen.metrics import Interval, mean_interval
from reflectgen.rollouts import Store
from reflectgen.rollouts.shard import read_table

LISTS = ("token_ids", "steps")
COLUMNS = ("problem_id", "correct", "finish", *LISTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Numbers over traces and problems. Accuracies are None where no outcome is known, means 0 where there is no trace."""

    problems: int
    traces: int
    failed: int
    """Traces that an error ended; they count as what they are graded, and in every mean."""
    pass_at_1: Interval | None
    """Share of right traces, the mean over problems with its 95 % interval over problems."""
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
        problems, correct, finishes, lengths, steps = _columns(store)
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
            unfinished=_mean([float(finish == "length") for finish in finishes]),
            tokens=_mean(lengths),
            steps=_mean(steps),
        )


def _columns(store: Store) -> tuple[list[Any], ...]:
    """The columns of `COLUMNS`, of lists their lengths; one shard is held at a time."""
    import pyarrow.compute as pc

    found: tuple[list[Any], ...] = tuple([] for _ in COLUMNS)
    for path in store.shards:
        shard = read_table(path, COLUMNS)
        for name, values in zip(COLUMNS, found, strict=True):
            column = shard.column(name)
            values += (pc.list_value_length(column) if name in LISTS else column).to_pylist()
    return found


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 0.0


def _over_problems(values: list[float]) -> Interval | None:
    return mean_interval(np.array(values)) if values else None
