"""Ways to choose among stored traces, and the value of every trace under each.

A way is a selector (`reflectgen.select`), and where that is made from the trajectory score, an aggregate of the step scores in
place of the stored one (`reflectgen.scoring`). Values are the selectors' own, but for the scales of a blend: it is standardised
over all traces of the store that ended, since the scales of the head are not stored with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from reflectgen.errors import OptionError
from reflectgen.evaluate.traces import Traces
from reflectgen.metrics import NO_ANSWER, Floats
from reflectgen.scoring import AGGREGATES, aggregate
from reflectgen.select import SELECTORS, blend_scales, parse
from reflectgen.types import Step

ALIASES = ("weighted:sprm",)
SAME = 1e-4
"""Largest difference of a stored score and an aggregate that is the same, in 32 bits."""
PRODUCTS = {"product": "sprm", "weighted:product": "weighted"}
"""Selector -> the one that it is under the aggregate "product"."""
AGGREGATED = ("sprm", "weighted", "blend", "weighted:blend")
"""Selectors that are made from the trajectory score, whatever that is aggregated by."""

Scores = Mapping[str, Floats]
"""Aggregate -> trajectory scores (P, N); the stored ones under the empty name."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to choose."""

    select: str
    aggregate: str = ""
    """Empty for the trajectory score that is stored."""

    def __str__(self) -> str:
        return f"{self.select} ({self.aggregate})" if self.aggregate else self.select


MAJORITY = Way("majority")


def scores_of(traces: Traces) -> Scores:
    """Under every aggregate, where a head graded the traces; the stored score where a trace has no step."""
    stored = traces.score
    if not traces.graded:
        return {"": stored}
    steps, scores = list(traces.step_scores()), stored.ravel().tolist()
    pairs = list(zip(steps, scores, strict=True))
    found = {name: np.array([aggregate(name, some) if some else score for some, score in pairs]) for name in AGGREGATES}
    return {"": stored, **{name: values.reshape(stored.shape) for name, values in found.items()}}


def known(traces: Traces, scores: Scores) -> tuple[Way, ...]:
    """All that the traces allow, those of the stored score first; what is the same under two names is there once."""
    names = [name for name in SELECTORS if name not in ALIASES and lacks(traces, name) is None]
    others = [name for name in scores if name and not _same(traces, scores[name])]
    aggregated = [
        Way(select, name)
        for select in AGGREGATED
        for name in others
        if select in names and not (name == "product" and select in PRODUCTS.values())
    ]
    return (*map(Way, names), *aggregated)


def named(traces: Traces, selects: Sequence[str]) -> tuple[Way, ...]:
    """The selectors of these names; raises `OptionError` for one that is unknown, or needs what the traces do not have."""
    for name in selects:
        if lacking := lacks(traces, name):
            raise OptionError(f"The store {traces.folder} has no {lacking}, so '{name}' cannot choose among its traces.")
    return tuple(map(Way, dict.fromkeys(selects)))


def lacks(traces: Traces, name: str) -> str | None:
    """What the selector `name` needs and the traces do not have; None where they have all."""
    selector = parse(name)
    if selector.head and not traces.graded:
        return "step scores (reflectgen rollouts score makes them)"
    if selector.votes and not (traces.answers != NO_ANSWER).any():
        return "answers to vote on"
    if name.endswith("confidence") and not traces.confident:
        return "confidences"
    return None


def values(traces: Traces, ways: Sequence[Way], scores: Scores) -> dict[Way, Floats]:
    """The value of each trace under each way: (P, N)."""
    found: dict[Way, Floats] = {}
    for name in dict.fromkeys(map(_aggregate, ways)):
        measured = _measured(traces, scores[name])
        scales = blend_scales(list(compress(measured, traces.ended.ravel())))
        for way in ways:
            if _aggregate(way) == name:
                selector = parse(PRODUCTS.get(way.select, way.select))
                made = [selector.value(one, scales) for one in measured]
                found[way] = np.array(made, dtype=np.float64).reshape(traces.correct.shape)
    return found


def _aggregate(way: Way) -> str:
    return "product" if way.select in PRODUCTS else way.aggregate


def _same(traces: Traces, scores: Floats) -> bool:
    """Whether the stored scores are these."""
    return float(np.abs(scores - traces.score)[traces.ended].max()) <= SAME


def _measured(traces: Traces, scores: Floats) -> list[_Stored]:
    """All traces as values are made from them."""
    columns = (scores, traces.logprob, traces.confidence, traces.tokens)
    rows = zip(*(column.ravel().tolist() for column in columns), strict=True)
    return [
        _Stored(traces, index, None if math.isnan(score) else score, *others) for index, (score, *others) in enumerate(rows)
    ]


@dataclass(slots=True)
class _Stored:
    """A stored trace as a selector's value is made from it (`reflectgen.select.Measured`)."""

    traces: Traces
    index: int
    score: float | None
    logprob: float
    confidence: float
    tokens: int

    @property
    def steps(self) -> Sequence[Step]:
        """Made when they are asked for."""
        return self.traces.steps_of(self.index)
