"""Traces worth reading: the best and the worst of a store, and where the majority was overruled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reflectgen import metrics
from reflectgen.evaluate.offline import Offline
from reflectgen.evaluate.traces import Traces
from reflectgen.evaluate.ways import Way
from reflectgen.metrics import Bools, Floats, Ints
from reflectgen.rollouts import Store
from reflectgen.rollouts.shard import read_table

COMPACT = "There are no examples: this store is compact and holds no texts."


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One trace, as it was written."""

    title: str
    problem_id: str
    problem: str
    text: str
    answer: str | None
    correct: bool
    value: float
    """What it was ranked by."""
    steps: tuple[float | None, ...]
    """Scores of its steps."""


def examples(store: Store, offline: Offline) -> list[Example]:
    """Those that there are; none where the store holds no texts.

    Traces are ranked by their score, or without a head by their log-prob, and the choice is among all N. A vote that is tied
    overrules nobody.
    """
    traces = offline.traces
    way = Way("sprm") if traces.graded else Way("logprob")
    values = np.where(traces.ended, offline.values.get(way, traces.logprob), -np.inf)
    picked = [(title, place) for title, pick in PICKS.items() if (place := pick(traces, values)) is not None]
    found = []
    for title, (problem, sample) in picked:
        made = _read(store, traces, title, (problem, sample), float(values[problem, sample]))
        if made is None:
            return []
        found.append(made)
    return found


Place = tuple[int, int]
"""Problem and sample."""


def _best(traces: Traces, values: Floats) -> Place | None:
    return _largest(values, traces.correct)


def _worst(traces: Traces, values: Floats) -> Place | None:
    return _largest(values, ~traces.correct)


def _overruled_rightly(traces: Traces, values: Floats) -> Place | None:
    return _largest(values, _overruled(traces, values, right=False) & traces.correct)


def _overruled_wrongly(traces: Traces, values: Floats) -> Place | None:
    return _largest(values, _overruled(traces, values, right=True) & ~traces.correct)


PICKS: dict[str, Callable[[Traces, Floats], Place | None]] = {
    "The right trace of the largest value": _best,
    "The wrong trace of the largest value": _worst,
    "The majority, overruled rightly": _overruled_rightly,
    "The majority, overruled wrongly": _overruled_wrongly,
}


def _largest(values: Floats, among: Bools) -> Place | None:
    """The first of the largest values; none where all of them failed."""
    among = among & np.isfinite(values)
    if not among.any():
        return None
    problem, sample = np.unravel_index(int(np.where(among, values, -np.inf).argmax()), values.shape)
    return int(problem), int(sample)


def _overruled(traces: Traces, values: Floats, *, right: bool) -> Bools:
    """Of each problem the trace of the largest value, where another answer has most votes and is right or not: (P, N)."""
    majority = _majority(traces)[:, None]
    voters = (majority != metrics.NO_ANSWER) & (traces.answers == majority)
    chosen = np.zeros(values.shape, dtype=np.bool_)
    chosen[np.arange(len(values)), values.argmax(axis=1)] = True
    asked = voters.any(axis=1) & ((voters & traces.correct).any(axis=1) == right)
    overruled: Bools = chosen & ~voters & asked[:, None]
    return overruled


def _majority(traces: Traces) -> Ints:
    """The answer with most votes, or `NO_ANSWER` where there is no vote or a tie: (P,)."""
    found = []
    for answers in traces.answers:
        counts = np.bincount(answers[answers != metrics.NO_ANSWER], minlength=1)
        leading = np.flatnonzero(counts == counts.max())
        found.append(int(leading[0]) if len(leading) == 1 and counts.max() else metrics.NO_ANSWER)
    return np.array(found, dtype=np.int64)


def _read(store: Store, traces: Traces, title: str, place: Place, value: float) -> Example | None:
    """The trace with its texts; None where they were left out."""
    row = int(traces.places[place])
    for path in store.shards:
        table = read_table(path, ("problem", "text", "answer"))
        if row < table.num_rows:
            break
        row -= table.num_rows
    (found,) = table.slice(row, 1).to_pylist()
    if found["text"] is None:
        return None
    steps = traces.steps_of(place[0] * traces.samples + place[1])
    return Example(
        title=title,
        problem_id=traces.problems[place[0]],
        problem=found["problem"] or "",
        text=found["text"],
        answer=found["answer"],
        correct=bool(traces.correct[place]),
        value=value,
        steps=tuple(step.score for step in steps),
    )
