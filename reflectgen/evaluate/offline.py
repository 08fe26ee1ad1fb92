"""Every way to choose, at every k, over the traces of a store: sampled once, decided afterwards, without any model.

A way is a selector (`reflectgen.select`), and where it is made from the trajectory score, an aggregate of the step scores in
place of the stored one (`reflectgen.scoring`). What is measured at k is the expectation over all k-subsets of the N traces
(`reflectgen.metrics`): exact for all that take the best; votes are counted over drawn subsets where there are too many, as
many for each problem as make `SUBSETS` together, and the row states the error of that.

Where this differs from `select.select`:
1. Ties are broken uniformly, not by log-prob.
2. A blend is standardised over all traces of the store, since live it would be by the scales of the head, which a store does
   not hold, or over the k traces.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reflectgen import metrics
from reflectgen.config import Blend
from reflectgen.errors import OptionError
from reflectgen.evaluate.traces import Spent, Traces
from reflectgen.metrics import Estimate, Floats, Interval
from reflectgen.scoring import AGGREGATES, aggregate
from reflectgen.select import SELECTORS, blend_scales, parse
from reflectgen.types import Step

SUBSETS = 200_000
"""Subsets that a vote is counted over where there are more, over all problems together."""
DRAWS = (200, 2_000)
"""The least and the most of a problem."""
ALIASES = ("weighted:sprm",)
SAME = 1e-4
"""Largest difference of a stored score and an aggregate that is the same, in 32 bits."""
PRODUCTS = {"product": "sprm", "weighted:product": "weighted"}
"""Selector -> the one that it is under the aggregate "product"."""
AGGREGATED = ("sprm", "weighted", "blend", "weighted:blend")
"""Selectors that are made from the trajectory score, whatever that is aggregated by."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to choose."""

    select: str
    aggregate: str = ""
    """Empty for the trajectory score that is stored."""

    def __str__(self) -> str:
        return f"{self.select} ({self.aggregate})" if self.aggregate else self.select


MAJORITY = Way("majority")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one way reaches at one k."""

    way: Way
    k: int
    accuracy: Interval
    error: float
    """Monte Carlo standard error of the accuracy, 0 where it is exact."""
    minus_pass_at_1: Interval | None
    """Accuracy less that of one trace, paired by problem; None at k = 1."""
    minus_majority: Interval | None
    """Accuracy less that of the majority at the same k; None at k = 1, and where nothing was voted on."""
    spent: Spent
    """What k traces of a problem cost."""

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"select": self.way.select, **asdict(self), "way": str(self.way), "aggregate": self.way.aggregate or None}


class Offline:
    """All ways at all k over the same traces."""

    def __init__(self, traces: Traces, ks: Sequence[int] = (), selects: Sequence[str] = ()) -> None:
        """By default k = 1, 2, 4, ... and N, and all selectors that the traces allow, with all aggregates.

        Raises `OptionError` for a k that is not stored, a selector that is unknown, or one that needs what is not stored.
        """
        self.traces = traces
        self.ks = tuple(sorted(set(ks))) or powers(traces.samples)
        for k in self.ks:
            if not 1 <= k <= traces.samples:
                raise OptionError(
                    f"k = {k} does not lie between 1 and the {traces.samples} traces of every problem in {traces.folder}: give "
                    "another --k."
                )
        self._aggregated: dict[str, Floats] = {}
        self.ways = self._named(selects) if selects else self._known()
        self.values = self._values([*dict.fromkeys((*self.ways, *self._majority))])
        """The value of each trace under each way: (P, N)."""
        self.estimates = {k: self._estimates(k) for k in self.ks}
        """k -> way -> accuracy of each problem."""

    @cached_property
    def pass_at_1(self) -> Interval:
        """Share of right traces, over problems."""
        return metrics.mean_interval(metrics.pass_at_1(self.traces.correct))

    def any_right(self, k: int) -> Interval:
        """Share of k-subsets with a right trace, over problems: what no way to choose can exceed."""
        return metrics.mean_interval(metrics.pass_at_k(self.traces.correct, k))

    def spent(self, k: int) -> Spent:
        """What k traces of a problem cost: a share of what N did, as far as that is known."""
        whole, share = self.traces.spent, k / self.traces.samples
        scored = None if whole.tokens_scored is None else share * whole.tokens_scored
        if k < self.traces.samples:
            return Spent(tokens_generated=share * whole.tokens_generated, tokens_scored=scored)
        return whole

    def rows(self) -> Iterator[Row]:
        """All ways, by ascending k."""
        return (self.row(way, k) for k in self.ks for way in self.ways)

    def row(self, way: Way, k: int) -> Row:
        """One way at one k."""
        found, majority = self.estimates[k][way], self.estimates[k].get(MAJORITY)
        single = metrics.pass_at_1(self.traces.correct)
        beside = None if majority is None or way == MAJORITY or k == 1 else majority.values
        return Row(
            way=way,
            k=k,
            accuracy=metrics.mean_interval(found.values),
            error=found.error,
            minus_pass_at_1=None if k == 1 else metrics.paired_difference(found.values, single),
            minus_majority=None if beside is None else metrics.paired_difference(found.values, beside),
            spent=self.spent(k),
        )

    # -- which ways ------------------------------------------------------------------------------------------------

    @property
    def _majority(self) -> tuple[Way, ...]:
        """What others are compared with, where there are answers."""
        return (MAJORITY,) if self._lacks("majority") is None else ()

    def _known(self) -> tuple[Way, ...]:
        names = [name for name in SELECTORS if name not in ALIASES and self._lacks(name) is None]
        others = [
            Way(select, name)
            for select in AGGREGATED
            for name in AGGREGATES
            if select in names and not self._stored(name) and not (name == "product" and select in PRODUCTS.values())
        ]
        return (*map(Way, names), *others)

    def _named(self, selects: Sequence[str]) -> tuple[Way, ...]:
        for name in selects:
            if lacking := self._lacks(name):
                raise OptionError(
                    f"The store {self.traces.folder} has no {lacking}, so '{name}' cannot choose among its traces."
                )
        return tuple(map(Way, dict.fromkeys(selects)))

    def _lacks(self, name: str) -> str | None:
        """What the selector `name` needs and the traces do not have."""
        selector = parse(name)
        if selector.head and not self.traces.graded:
            return "step scores (reflectgen rollouts score makes them)"
        if selector.votes and not (self.traces.answers != metrics.NO_ANSWER).any():
            return "answers to vote on"
        if name.endswith("confidence") and not self.traces.confident:
            return "confidences"
        return None

    def _stored(self, name: str) -> bool:
        """Whether the stored scores are this aggregate."""
        known = self.traces.ended
        difference = self._scores(name) - self.traces.score
        return float(np.abs(difference[known]).max()) <= SAME

    # -- what they say ---------------------------------------------------------------------------------------------

    def _scores(self, name: str) -> Floats:
        """Trajectory scores (P, N) under an aggregate; the stored ones where the name is empty or a trace has no step."""
        stored = self.traces.score
        if name and name not in self._aggregated:
            pairs = zip(self.traces.step_scores(), stored.ravel().tolist(), strict=True)
            found = np.array([aggregate(name, scores) if scores else score for scores, score in pairs])
            self._aggregated[name] = found.reshape(stored.shape)
        return self._aggregated[name] if name else stored

    def _values(self, ways: Sequence[Way]) -> dict[Way, Floats]:
        found: dict[Way, Floats] = {}
        for name in dict.fromkeys(_aggregate(way) for way in ways):
            measured = self._measured(self._scores(name))
            scales: Blend | None = None
            for way in ways:
                if _aggregate(way) == name:
                    selector = parse(PRODUCTS.get(way.select, way.select))
                    if selector.scaled and scales is None:
                        scales = blend_scales(measured)
                    values = [selector.value(one, scales or Blend()) for one in measured]
                    found[way] = np.array(values, dtype=np.float64).reshape(self.traces.correct.shape)
        return {way: found[way] for way in ways}

    def _measured(self, scores: Floats) -> list[_Stored]:
        """All traces as values are made from them."""
        traces = self.traces
        columns = (scores, traces.logprob, traces.confidence, traces.tokens)
        rows = zip(*(column.ravel().tolist() for column in columns), strict=True)
        return [_Stored(traces, index, *row) for index, row in enumerate(rows)]

    def _estimates(self, k: int) -> dict[Way, Estimate]:
        traces, found = self.traces, dict[Way, Estimate]()
        voting = [way for way in self.values if parse(way.select).votes]
        for way, values in self.values.items():
            if way not in voting:
                ranked = np.where(traces.ended, values, -np.inf)
                found[way] = Estimate(metrics.best_of_k(traces.correct, ranked, k), 0.0)
        if voting:
            least, most = DRAWS
            draws = min(most, max(least, SUBSETS // len(traces.problems)))
            weights = np.stack([self.values[way] for way in voting])
            counted = metrics.votes_at_k(traces.correct, traces.answers, weights, k, draws=draws)
            found |= dict(zip(voting, counted, strict=True))
        return found


def powers(samples: int) -> tuple[int, ...]:
    """1, 2, 4, ... up to the number of samples, and that number."""
    return (*(2**power for power in range(samples.bit_length()) if 2**power < samples), samples)


def _aggregate(way: Way) -> str:
    return "product" if way.select in PRODUCTS else way.aggregate


@dataclass(slots=True)
class _Stored:
    """A stored trace as a selector's value is made from it (`reflectgen.select.Measured`)."""

    traces: Traces
    index: int
    score: float | None
    logprob: float
    confidence: float
    tokens: int

    def __post_init__(self) -> None:
        self.score = None if self.score is None or math.isnan(self.score) else self.score

    @property
    def steps(self) -> Sequence[Step]:
        """Made when they are asked for."""
        return self.traces.steps_of(self.index)
