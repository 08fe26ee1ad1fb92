"""The strategy that fits a model: by what was measured with it, else by its size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from pydantic import Field

from reflectgen.config import Config

SEARCH_BELOW = 32_000_000_000
"""Parameters from which on sampling does better than step search: a finding that arXiv 2507.01951 cites, not ours."""


class Point(Config):
    """What a strategy reached with a model on a task."""

    task: str
    strategy: str
    select: str
    k: int = Field(ge=1)
    accuracy: float = Field(ge=0, le=1)
    tokens: float = Field(gt=0)
    """Mean tokens generated for a problem."""


class Frontier(Config):
    """What strategies were measured to reach with one model: `frontier.json` beside its weights."""

    backbone: str
    """Fingerprint of the model that was measured."""
    points: tuple[Point, ...]


def pick(parameters: int, points: Sequence[Point], k: int, selector: str) -> tuple[str, str]:
    """The strategy's name and why: of those measured at `k` with that selector the most accurate that costs no more than
    best-of-k, means over tasks; else by size.
    """
    measured: dict[str, list[Point]] = defaultdict(list)
    for point in points:
        if (point.select, point.k) == (selector, k):
            measured[point.strategy].append(point)
    reached = {
        name: (fmean(one.accuracy for one in found), fmean(one.tokens for one in found)) for name, found in measured.items()
    }
    _, affordable = reached.get("best_of_n", (0.0, 0.0))
    if fitting := [(accuracy, -tokens, name) for name, (accuracy, tokens) in reached.items() if tokens <= affordable]:
        accuracy, _, name = max(fitting)
        return name, f"of those measured it was right most often for the tokens of best-of-{k} ({accuracy:.1%})"
    size = f"the model has {parameters / 1e9:.3g}B parameters"
    if parameters < SEARCH_BELOW:
        return "beam", f"{size}, and below {SEARCH_BELOW / 1e9:.0f}B step search is said to do better"
    return "best_of_n", f"{size}, and from {SEARCH_BELOW / 1e9:.0f}B on sampling is said to do better"
