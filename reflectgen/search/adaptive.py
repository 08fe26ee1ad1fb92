"""Effort that stops when the answer is settled: thinkings are added a few at a time, up to k.

Whenever some have answered, the posterior is taken that the leading answer leads under the selector's votes
(`reflectgen.search.votes`); where it reaches `settled`, those that still think are stopped at once. With votes of weight 1
this is adaptive consistency (arXiv 2305.11860); with the step scores as weights one good thinking settles more than several
poor ones that agree.

One whose product of step scores falls below `within` of the best answered one's is stopped before: a product only falls, so
it could never have caught up. Thinkings go on step by step together: decisions do not depend on an engine's timing.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from reflectgen import select
from reflectgen.config.search import AdaptiveSettings
from reflectgen.engine.base import Engine
from reflectgen.engine.branch import Branch
from reflectgen.search.base import Request
from reflectgen.search.pool import Pool
from reflectgen.search.votes import lead, tally
from reflectgen.types import Result


async def adaptive(engine: Engine, request: Request) -> Result:
    """Solve `request` with at most `k` thinkings. Raises what `Engine.branches` raises."""
    settings = request.settings_of(AdaptiveSettings)
    with Pool(engine, request, min(settings.live, request.k), "step") as pool:
        while await pool.step(pool.thinking):
            await pool.answer(pool.closed)
            voters = [branch for branch in pool.branches if branch.state == "finished"]
            certainty = lead(tally(pool, voters, _votes(request, voters, settings.strength)))
            if certainty >= settings.settled:
                pool.cancel(pool.thinking, f"settled at {certainty:.3f}")
                break
            answered = [branch for branch in voters if request.extract(branch.reply) is not None]
            pool.cancel(pool.behind(pool.thinking, settings.within, answered), "behind the best")
            pool.add(min(settings.live - len(pool.thinking), request.k - len(pool.branches)))
        return await pool.conclude("adaptive", pool.candidates)


def _votes(request: Request, voters: Sequence[Branch], strength: float) -> list[float]:
    """How many votes each counts for: its weight, where the mean is above 1 (confidences) as a share of that, times `strength`.

    A best-of selector's weights are those of the vote by what it goes by; where there is none such, all are 1.
    """
    votes = select.parse(request.select).votes
    name = request.select if votes else f"weighted:{request.select}"
    if not voters or not (votes or name in select.SELECTORS):
        return [strength] * len(voters)
    weights = select.values(name, voters, request.blend)
    scale = strength / max(1.0, fmean(weights))
    return [scale * weight for weight in weights]
