"""What an oracle says of the steps of traces, for tasks that can judge them: labels `oracle` of a store.

Shapes: B traces, S graded steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from reflectgen.metrics import NO_ERROR, Bools, Floats, Ints, first_error_f1
from reflectgen.rollouts import Store
from reflectgen.train.features import StepFeatures

ORACLE = "oracle"
"""Name of the labels."""
CUTS = 200
"""Thresholds that are tried: quantiles of the steps' logits."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """Labels of the steps of traces, as they were cut when the labels were made."""

    labels: Mapping[tuple[str, int], Mapping[int, float]]
    """(task and problem id, sample) -> end of each step in the completion -> its label; below 1/2 is wrong."""

    @classmethod
    def of(cls, stores: Iterable[Store]) -> Self | None:
        """Of all traces of some stores; None where one has no such labels, or two have traces of one problem and number."""
        found: dict[tuple[str, int], Mapping[int, float]] = {}
        for store in stores:
            if ORACLE not in store.label_names:
                return None
            labels = store.labels(ORACLE)
            for rollout in (rollout for rollout in store.rollouts if rollout.key in labels):
                ends = [step.token_span[1] for step in rollout.steps]
                key = (f"{store.header.task}/{rollout.problem_id}", rollout.sample)
                if key in found:
                    return None
                found[key] = dict(zip(ends, labels[rollout.key], strict=True))
        return cls(found)

    def all_right(self, features: StepFeatures) -> Bools:
        """Whether every step of each trace is right (B,), however these features cut it; False where it has no labels."""
        found = [self.labels.get(key) for key in _keys(features)]
        return np.array([steps is not None and min(steps.values(), default=1) >= 0.5 for steps in found])

    def first_errors(self, features: StepFeatures) -> Ints | None:
        """Place of the first wrong step of each trace (B,), or `NO_ERROR`; None where these steps are not those labelled."""
        given = [self.labels.get(key, {}) for key in _keys(features)]
        ends = [features.stop[rows].tolist() for rows in features.steps]
        if any(list(steps) != own for steps, own in zip(given, ends, strict=True)):
            return None
        wrong = [np.flatnonzero(np.array(list(steps.values())) < 0.5) for steps in given]
        return np.array([places[0] if len(places) else NO_ERROR for places in wrong])


def _keys(features: StepFeatures) -> list[tuple[str, int]]:
    named = zip(features.problem, features.sample, strict=True)
    return [(features.problems[problem], int(sample)) for problem, sample in named]


def flagged(logits: Floats, features: StepFeatures, threshold: float) -> Ints:
    """Place of each trace's first step with a logit (S,) below `threshold` (B,), or `NO_ERROR`."""
    return _flagged(_lowest_so_far(logits, features), features, threshold)


def best_threshold(logits: Floats, features: StepFeatures, first_errors: Ints) -> float:
    """The threshold on step logits (S,) with the best first-error F1, the lowest of several; 0 where none has any."""
    tried, lowest = np.unique(np.quantile(logits, np.linspace(0, 1, CUTS))), _lowest_so_far(logits, features)
    found = np.array([first_error_f1(first_errors, _flagged(lowest, features, threshold)) for threshold in tried])
    return 0.0 if np.isnan(found).all() else float(tried[int(np.nanargmax(found))])


def _lowest_so_far(logits: Floats, features: StepFeatures) -> Floats:
    """The least logit of each step and those before it in its trace (S,)."""
    found = [np.minimum.accumulate(logits[rows]) for rows in features.steps]
    return np.concatenate([np.zeros(0), *found])


def _flagged(lowest: Floats, features: StepFeatures, threshold: float) -> Ints:
    """The first step below is preceded by as many steps as have nothing below up to them."""
    before = np.bincount(features.trace, weights=lowest >= threshold, minlength=len(features.correct)).astype(np.int64)
    lengths = np.array([len(rows) for rows in features.steps], dtype=np.int64)
    return np.where(before < lengths, before, NO_ERROR)
