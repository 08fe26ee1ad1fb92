"""Every way to choose, at every k, over the traces of a store: sampled once, decided afterwards, without any model.

What is measured at k is the expectation over all k-subsets of the N traces (`reflectgen.metrics`): exact for all ways that take
the best; votes are counted over drawn subsets where there are too many, as many for each problem as make `SUBSETS` together,
and the row states the error of that. Ties are broken uniformly, where `select.select` breaks them by log-prob.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reflectgen import metrics
from reflectgen.errors import OptionError
from reflectgen.evaluate import ways as choosing
from reflectgen.evaluate.traces import Spent, Traces
from reflectgen.evaluate.ways import MAJORITY, Way
from reflectgen.metrics import Estimate, Interval
from reflectgen.select import parse

SUBSETS = 200_000
"""Subsets that a vote is counted over where there are more, over all problems together."""
DRAWS = (200, 2_000)
"""The least and the most of a problem."""


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
        scores = choosing.scores_of(traces)
        self.ways = choosing.named(traces, selects) if selects else choosing.known(traces, scores)
        compared = (MAJORITY,) if choosing.lacks(traces, "majority") is None else ()
        self.values = choosing.values(traces, list(dict.fromkeys((*self.ways, *compared))), scores)
        """Way -> value of each trace (P, N); of the majority too, which all are compared with."""
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
