"""Step scores -> trajectory score: a table of pure functions over probabilities in [0, 1].

Source: arXiv 2507.01951, trajectory score: S = (prod_i Score_i)^(1/n), computed in log space with scores clamped from
below at EPS as the authors' scorer does. The others are here for comparison.

A trajectory without a step has no score to aggregate and gets 0, as in the authors' scorer. The step rule sees to it
that this happens only where it is asked for (`reflectgen.steps`, deviation 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

EPS = 1e-10


def geometric(scores: Sequence[float]) -> float:
    """(prod_i s_i)^(1/n)."""
    return math.exp(sum(math.log(max(score, EPS)) for score in scores) / len(scores))


def product(scores: Sequence[float]) -> float:
    """prod_i s_i."""
    return math.exp(sum(math.log(max(score, EPS)) for score in scores))


def mean(scores: Sequence[float]) -> float:
    """Arithmetic mean."""
    return sum(scores) / len(scores)


def last(scores: Sequence[float]) -> float:
    """The last step's score."""
    return scores[-1]


AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "geometric": geometric,
    "min": min,
    "last": last,
    "product": product,
    "mean": mean,
}
"""Name -> function from a non-empty sequence of step scores to the trajectory score."""


def aggregate(name: str, scores: Sequence[float]) -> float:
    """Trajectory score of `scores` under the aggregate `name`; 0 for no scores."""
    return AGGREGATES[name](scores) if scores else 0.0


def sigmoid(logit: float) -> float:
    """1 / (1 + exp(-logit)), without overflow."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
