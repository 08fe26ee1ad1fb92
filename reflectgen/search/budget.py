"""Thinking length as effort: a thinking that closes early is made to go on, one that is long enough is closed.

Source: s1, arXiv 2501.19393 (budget forcing): where the model closes its thinking below the least length, the closing tag is
replaced by "Wait"; at the most (`max_tokens` of the sampling) the engine closes it. arXiv 2507.01951 calls this internal
scaling, against the external scaling by k; both combine here. What was forced is never graded as a step and enters no mean.
"""

from __future__ import annotations

from reflectgen.config.search import LengthSettings
from reflectgen.engine.base import Engine
from reflectgen.engine.branch import Branch
from reflectgen.search.base import Request
from reflectgen.search.pool import Pool
from reflectgen.types import Result


async def budget(engine: Engine, request: Request) -> Result:
    """Solve `request` with `k` thinkings of at least `least` tokens each. Raises what `Engine.branches` raises."""
    settings = request.settings_of(LengthSettings)
    with Pool(engine, request, request.k) as pool:
        await pool.think(pool.branches)
        for _ in range(settings.times):
            if not (short := [branch for branch in pool.closed if _is_short(branch, settings)]):
                break
            for branch in short:
                pool.force(branch, settings.nudge, f"closed before {settings.least} tokens")
            await pool.think(short)
        return await pool.conclude("budget", pool.candidates)


def _is_short(branch: Branch, settings: LengthSettings) -> bool:
    """Whether it closed by itself below the least length."""
    return branch.finish == "stop" and branch.tokens < settings.least
