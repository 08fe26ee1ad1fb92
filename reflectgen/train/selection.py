"""What a head's scores are worth: ways to choose among the stored traces of each problem, with intervals by problem.

A way chooses among all traces that are stored of a problem, however many these are; what is measured is how often it
chooses a right one, ties broken uniformly (`reflectgen.metrics`). The values are the selectors' own (`reflectgen.select`).

Shapes: P problems, B traces, N traces of one problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reflectgen import metrics
from reflectgen.answers import canonical
from reflectgen.config import Blend
from reflectgen.metrics import Floats, Interval, Ints
from reflectgen.select import SELECTORS
from reflectgen.train.calibration import auc_by_problem
from reflectgen.train.features import StepFeatures
from reflectgen.types import Trajectory

BEST_OF = ("sprm", "blend", "logprob", "confidence", "shortest")
"""Selectors that take the trace of the largest value."""
VOTES = ("majority", "weighted:sprm", "weighted:blend")
"""Selectors that add up equal answers; left out where no trace has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one selector reaches."""

    accuracy: Interval
    """Share of the problems for which it chooses a right trace."""
    minus_logprob: Interval
    """Its accuracy less that of the best mean log-prob, paired by problem."""
    minus_majority: Interval | None
    """Its accuracy less that of the majority vote; None where nothing can be voted on."""
    auc_pooled: float | None
    """AUC of its values over all traces; None for votes, as below."""
    auc_within: Interval | None
    """AUC of its values among the traces of one problem, averaged over the mixed problems."""
    auc_within_minus_logprob: Interval | None
    """The same less that of the mean log-prob, paired by problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured on a set of traces. Intervals are 95 %, over problems."""

    problems: int
    mixed: int
    """Problems with right and wrong traces: only these have an AUC within."""
    traces: int
    samples: tuple[int, int]
    """The least and the most traces of a problem."""
    unfinished: float
    """Share of the traces that were cut off."""
    pass_at_1: Interval
    oracle: Interval
    """Share of the problems with any right trace."""
    selectors: dict[str, Row]


def measure(features: StepFeatures, scores: Floats, blend: Blend) -> Figures:
    """How the selectors do on all traces of `features`, whose trajectory scores are `scores` (B,)."""
    values, names = selector_values(features, scores, blend), best_of(features)
    chosen = {name: _best(features, values[name]) for name in names}
    if any(answer is not None for answer in features.answers):
        answers = _codes(features)
        chosen |= {name: _vote(features, answers, values[name]) for name in VOTES}
    aucs = {name: auc_by_problem(features.correct, values[name], features.rows) for name in names}
    sizes = [len(rows) for rows in features.rows]
    share = np.array([features.correct[rows].mean() for rows in features.rows])
    return Figures(
        problems=len(features.problems),
        mixed=len(features.mixed),
        traces=len(features.correct),
        samples=(min(sizes), max(sizes)),
        unfinished=float(1 - features.ended.mean()),
        pass_at_1=metrics.mean_interval(share),
        oracle=metrics.mean_interval((share > 0).astype(np.float64)),
        selectors={name: _row(name, features, values[name], chosen, aucs) for name in chosen},
    )


def best_of(features: StepFeatures) -> tuple[str, ...]:
    """`BEST_OF`, without confidence where the store does not know it: NaN of any trace, or 0 of all."""
    known = bool(features.confidence.any()) and not np.isnan(features.confidence).any()
    return tuple(name for name in BEST_OF if known or name != "confidence")


def selector_values(features: StepFeatures, scores: Floats, blend: Blend) -> dict[str, Floats]:
    """Selector -> its value of each trace (B,)."""
    traces = [_trajectory(features, index, float(scores[index])) for index in range(len(scores))]
    return {name: np.array([SELECTORS[name].value(trace, blend) for trace in traces]) for name in (*BEST_OF, *VOTES)}


def _trajectory(features: StepFeatures, index: int, score: float) -> Trajectory:
    """What a selector looks at of a trace."""
    return Trajectory(
        id=str(features.sample[index]),
        parent=None,
        token_ids=(),
        thinking="",
        reply="",
        answer=features.answers[index],
        steps=(),
        score=score,
        logprob=float(features.logprob[index]),
        confidence=float(features.confidence[index]),
        tokens=int(features.tokens[index]),
        finish="stop" if features.ended[index] else "length",
    )


def _best(features: StepFeatures, values: Floats) -> Floats:
    """Chance that the trace of the largest value is right (P,)."""
    found = [metrics.best_of_k(features.correct[None, rows], values[None, rows], len(rows)) for rows in features.rows]
    return np.concatenate(found)


def _vote(features: StepFeatures, answers: Sequence[Ints], weights: Floats) -> Floats:
    """Chance that the answer of the largest weight is right (P,)."""
    voting = zip(features.rows, answers, strict=True)
    return np.concatenate(
        [metrics.weighted_at_k(features.correct[None, rows], codes, weights[None, rows], len(rows)) for rows, codes in voting]
    )


def _codes(features: StepFeatures) -> list[Ints]:
    """The answers of each problem's traces as numbers (1, N), equal ones equal."""
    keys = [None if answer is None else canonical(answer) for answer in features.answers]
    return [metrics.codes([[keys[index] for index in rows]]) for rows in features.rows]


def _row(name: str, features: StepFeatures, values: Floats, chosen: dict[str, Floats], aucs: dict[str, Floats]) -> Row:
    majority, own = chosen.get("majority"), aucs.get(name)
    return Row(
        accuracy=metrics.mean_interval(chosen[name]),
        minus_logprob=metrics.paired_difference(chosen[name], chosen["logprob"]),
        minus_majority=None if majority is None else metrics.paired_difference(chosen[name], majority),
        auc_pooled=None if own is None else metrics.auc(features.correct, values),
        auc_within=None if own is None else metrics.mean_interval(own),
        auc_within_minus_logprob=None if own is None else metrics.paired_difference(own, aucs["logprob"]),
    )
