"""Consensus of two labellings: what both say of a step, and nothing where they differ.

Source: Zhang et al., "The Lessons of Developing Process Reward Models in Mathematical Reasoning", arXiv 2501.07301, where
Monte Carlo and a judge filter each other, and a Monte Carlo step counts as right where any of its continuations is.

Deviation: they drop a whole trace whose first wrong steps differ; here a step that the two differ on is left unlabelled, and
losses skip it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from reflectgen.errors import InputError
from reflectgen.train.labels.base import UNLABELLED, Key, Labels


def consensus(first: Mapping[Key, Labels], second: Mapping[Key, Labels]) -> dict[Key, Labels]:
    """1 where both labels are above 0, 0 where both are 0, and NaN where they differ or one is missing.

    Raises `InputError` where the two label different traces or numbers of steps.
    """
    sizes, others = ({key: len(labels) for key, labels in labelling.items()} for labelling in (first, second))
    if sizes != others:
        raise InputError("The two labellings are of different traces: make both anew over the whole store.")
    return {key: tuple(map(_agreed, labels, second[key])) for key, labels in first.items()}


def _agreed(one: float, other: float) -> float:
    known = not (math.isnan(one) or math.isnan(other))
    return float(one > 0) if known and (one > 0) == (other > 0) else UNLABELLED
