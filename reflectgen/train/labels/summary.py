"""Labels in a few numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reflectgen.rollouts import Rollout
from reflectgen.train.labels.base import Key, Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What labels of a store come to; NaN for a mean over nothing."""

    traces: int
    steps: int
    labelled: int
    """Steps that have a label."""
    mean: float
    """Mean label."""
    agreement: float
    """Share of labelled steps whose label, above 1/2 or not, is their trace's outcome."""


def summarise(rollouts: Iterable[Rollout], labels: Mapping[Key, Labels]) -> Summary:
    """The labels of these traces; one that `labels` lacks has none."""
    steps = [(rollout.correct, label) for rollout in rollouts for label in labels.get(rollout.key, ())]
    known = [(correct, label) for correct, label in steps if not math.isnan(label)]
    return Summary(
        traces=len(labels),
        steps=len(steps),
        labelled=len(known),
        mean=_mean([label for _, label in known]),
        agreement=_mean([float((label > 0.5) == correct) for correct, label in known if correct is not None]),
    )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan
