"""The traces of a store by columns: what is decided and measured offline, without their tokens and texts.

Problems without a gold answer are left out, and of stores that hold more traces of some problems than of others as
many are taken of each as the poorest has, in the order of their samples; the notes say so.

Shapes: P problems, N traces of each, B = P N traces, S graded steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from reflectgen.answers import canonical
from reflectgen.errors import InputError
from reflectgen.evaluate.columns import OF_STEPS, Array, Columns
from reflectgen.metrics import Bools, Floats, Ints, codes
from reflectgen.rollouts import Header, Store
from reflectgen.types import Step

COUNTED = ("tokens_scored", "tokens_prefilled", "forward_passes", "seconds")
"""What a store knows of all traces of a problem and seed together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What something cost, a mean over problems; None for what is not known."""

    tokens_generated: float
    tokens_scored: float | None = None
    tokens_prefilled: float | None = None
    forward_passes: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """N traces of each of P problems."""

    folder: Path
    header: Header
    problems: tuple[str, ...]
    """Ids, in the order of the store."""
    hashes: tuple[int, ...]
    """Hashes of their prompts."""
    places: Ints
    """(P, N): row of each trace, counted through all shards."""
    correct: Bools
    """(P, N), as all below."""
    answers: Ints
    """As `reflectgen.metrics.codes` makes them; failed traces have none."""
    ended: Bools
    """Whether it ended by itself or at its limit, so that it may be chosen."""
    unfinished: Bools
    """Whether it ended at its limit."""
    score: Floats
    logprob: Floats
    confidence: Floats
    tokens: Floats
    """Length of the thinking."""
    generated: Floats
    """Tokens drawn, thinking and reply."""
    steps: Mapping[str, Array]
    """(S,): of each step its grades, its span and `trace`, the index (B,) of its trace."""
    spent: Spent
    """What sampling N traces of a problem cost."""
    notes: tuple[str, ...]

    @classmethod
    def of(cls, store: Store) -> Traces:
        """Raises `InputError` where no trace has an outcome, or one is stored twice."""
        return _arranged(store, Columns.of(store))

    @property
    def samples(self) -> int:
        """Traces of each problem, N."""
        return int(self.correct.shape[1])

    @property
    def graded(self) -> bool:
        """Whether a head has scored the traces that ended."""
        return bool(self.ended.any()) and not np.isnan(self.score[self.ended]).any()

    @property
    def confident(self) -> bool:
        """Whether confidences are known: not NaN of any trace, nor 0 of all."""
        return bool(self.confidence.any()) and not np.isnan(self.confidence).any()

    def steps_of(self, trace: int) -> tuple[Step, ...]:
        """The graded steps of trace number `trace` (B)."""
        start, stop = np.searchsorted(self.steps["trace"], [trace, trace + 1])
        columns = [self.steps[name][start:stop].tolist() for name in OF_STEPS]
        return tuple(_step(*values) for values in zip(*columns, strict=True))

    def step_scores(self) -> Iterator[list[float]]:
        """Of each trace, the scores of its steps: (B)."""
        edges = np.searchsorted(self.steps["trace"], np.arange(self.correct.size + 1)).tolist()
        scores = self.steps["score"].tolist()
        return (scores[start:stop] for start, stop in pairwise(edges))


def _step(start: int, stop: int, score: float, logit: float, logprob: float, confidence: float) -> Step:
    known = score == score  # not NaN
    return Step(
        text="",
        token_span=(start, stop),
        score=score if known else None,
        logit=logit if known else None,
        logprob=logprob,
        confidence=confidence,
    )


# -- arranging ---------------------------------------------------------------------------------------------------------


def _arranged(store: Store, columns: Columns) -> Traces:
    """The rows as (P, N)."""
    by_problem = _by_problem(store, columns)
    graded = {name: rows for name, rows in by_problem.items() if all(columns.plain["correct"][row] is not None for row in rows)}
    if not graded:
        raise InputError(f"The store {store.folder} has no outcomes: sample problems whose answers are known.")
    least, most = (pick(map(len, graded.values())) for pick in (min, max))
    places = np.array([rows[:least] for rows in graded.values()])
    finish = np.array(columns.plain["finish"])[places]
    notes = []
    if len(graded) < len(by_problem):
        notes.append(f"{len(by_problem) - len(graded)} problems are left out: not all their traces have an outcome.")
    if least < most:
        notes.append(f"Problems hold {least} to {most} traces: the first {least} of each are used.")
    if failed := int((finish == "failed").sum()):
        notes.append(f"{failed} traces failed: they are never chosen where another one ended.")
    return Traces(
        folder=store.folder,
        header=store.header,
        problems=tuple(graded),
        hashes=tuple(columns.plain["prompt_hash"][rows[0]] for rows in graded.values()),
        places=places,
        correct=np.array(columns.plain["correct"], dtype=np.bool_)[places],
        answers=_answers(columns, places),
        ended=np.isin(finish, ("stop", "length")),
        unfinished=finish == "length",
        **{name: values[places] for name, values in columns.numbers.items()},
        generated=columns.generated[places],
        steps=_steps_of(columns.steps, places, len(columns.generated)),
        spent=_spent(columns, places, whole=least == most),
        notes=tuple(notes),
    )


def _by_problem(store: Store, columns: Columns) -> dict[str, list[int]]:
    """Problem id -> its rows, in the order of their samples."""
    found: dict[str, dict[int, int]] = {}
    for row, (problem, sample) in enumerate(zip(columns.plain["problem_id"], columns.plain["sample"], strict=True)):
        samples = found.setdefault(problem, {})
        if sample in samples:
            raise InputError(
                f"The store {store.folder} holds sample {sample} of problem '{problem}' twice: sample it anew, and join stores "
                "with rollouts merge."
            )
        samples[sample] = row
    return {problem: [row for _, row in sorted(samples.items())] for problem, samples in found.items()}


def _answers(columns: Columns, places: Ints) -> Ints:
    key = cache(canonical)
    answers, finish = columns.plain["answer"], columns.plain["finish"]
    return codes(
        [
            [None if answers[row] is None or finish[row] not in ("stop", "length") else key(answers[row]) for row in rows]
            for rows in places.tolist()
        ]
    )


def _steps_of(steps: Mapping[str, Array], places: Ints, rows: int) -> dict[str, Array]:
    """The steps of the traces at `places`, in their order and by their number (B)."""
    number = np.full(rows, -1)
    number[places.ravel()] = np.arange(places.size)
    trace = number[steps["trace"]]
    order = np.argsort(trace, kind="stable")[int((trace < 0).sum()) :]
    return {**{name: values[order] for name, values in steps.items()}, "trace": trace[order]}


def _spent(columns: Columns, places: Ints, *, whole: bool) -> Spent:
    """Costs are stored of all traces of a problem and seed together: those of a part of them are not known.

    A trace that no engine of ours sampled has no tokens fed and took no seconds.
    """
    generated = float(columns.generated[places].sum(axis=1).mean())
    if not whole:
        return Spent(tokens_generated=generated)
    parts = {
        (problem, columns.plain["seed"][row]): columns.plain["cost"][row]
        for problem, rows in enumerate(places.tolist())
        for row in rows
    }
    means = {name: _mean([part[name] for part in parts.values()], len(places)) for name in COUNTED}
    return Spent(
        tokens_generated=generated,
        tokens_scored=means["tokens_scored"],
        tokens_prefilled=means["tokens_prefilled"] or None,
        forward_passes=means["forward_passes"],
        seconds=means["seconds"] or None,
    )


def _mean(values: Sequence[float | None], problems: int) -> float | None:
    """Their sum over problems; None where one of them is not known."""
    known = [value for value in values if value is not None]
    return sum(known) / problems if len(known) == len(values) else None
