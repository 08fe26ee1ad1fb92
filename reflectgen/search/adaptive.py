"""Effort that stops when the answer is settled: thinkings are added a few at a time, up to k.

Whenever some have answered, the posterior is taken that the leading answer leads under the selector's votes
(`reflectgen.search.votes`); where it reaches `settled`, those that still think are stopped at once. With votes of weight 1
this is adaptive consistency (arXiv 2305.11860); with the step scores as weights one good thinking settles more than several
poor ones that agree. Thinkings go on step by step together, so the decision does not depend on an engine's timing.
"""

from __future__ import annotations

from reflectgen import select
from reflectgen.config.search import AdaptiveSettings
from reflectgen.engine.base import Engine
from reflectgen.search.base import Request
from reflectgen.search.pool import Pool
from reflectgen.search.votes import lead, tally
from reflectgen.types import Result


async def adaptive(engine: Engine, request: Request) -> Result:
    """Solve `request` with at most `k` thinkings. Raises what `Engine.branches` raises."""
    settings = request.settings_of(AdaptiveSettings)
    with Pool(engine, request, min(settings.live, request.k), "step") as pool:
        while await pool.step(pool.thinking):
            if not pool.closed:
                continue
            await pool.answer(pool.closed)
            if (certainty := _certainty(pool)) >= settings.settled:
                pool.cancel(pool.thinking, f"settled at {certainty:.3f}")
                break
            pool.add(min(settings.live - len(pool.thinking), request.k - len(pool.branches)))
        return await pool.conclude("adaptive", pool.candidates)


def _certainty(pool: Pool) -> float:
    """Posterior that the leading answer leads."""
    voters = [branch for branch in pool.branches if branch.state == "finished"]
    request = pool.request
    name = request.select if select.parse(request.select).votes else f"weighted:{request.select}"
    weighted = name in select.SELECTORS
    weights = select.values(name, voters, request.blend) if weighted else [1.0] * len(voters)
    return lead(tally(pool, voters, weights))
