"""When votes have settled a question: the posterior that the leading answer leads, under weighted votes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from reflectgen.answers import canonical
from reflectgen.engine.branch import Branch
from reflectgen.search.pool import Pool

CELLS = 400
"""Cells of the integral over (0, 1)."""


def tally(pool: Pool, voters: Sequence[Branch], weights: Sequence[float]) -> list[float]:
    """Summed weights of the answers that the voters gave, the largest first; a voter without an answer counts for none."""
    totals: dict[str, float] = {}
    for branch, weight in zip(voters, weights, strict=True):
        answer = pool.request.extract(branch.reply)
        if answer is not None:
            key = _canonical(answer)
            totals[key] = totals.get(key, 0.0) + weight
    return sorted(totals.values(), reverse=True)


_canonical = lru_cache(4096)(canonical)


def lead(totals: Sequence[float]) -> float:
    """Posterior that the first answer is given more often than the second, whose summed weights are `totals[:2]`.

    Of a pair of answers the first has a share p with the prior Beta(1, 1); votes for it and against it make that
    Beta(1 + v1, 1 + v2), and the posterior is its mass above 1/2. Source: adaptive consistency, arXiv 2305.11860, there with
    votes of weight 1 alone. 0 where nobody has answered.
    """
    if not totals:
        return 0.0
    first, second = totals[0], totals[1] if len(totals) > 1 else 0.0
    grid = [(cell + 0.5) / CELLS for cell in range(CELLS)]
    logs = [first * math.log(p) + second * math.log1p(-p) for p in grid]
    peak = max(logs)
    masses = [math.exp(log - peak) for log in logs]
    return math.fsum(masses[CELLS // 2 :]) / math.fsum(masses)
