"""Early-stopping self-consistency: windows of thinkings, until one window's answers all agree.

Source: arXiv 2401.10480 (ESC). Without a scorer; the votes are counted over all windows. A baseline.
"""

from __future__ import annotations

from reflectgen.config.search import EscSettings
from reflectgen.engine.base import Engine
from reflectgen.engine.branch import Branch
from reflectgen.search.base import Request
from reflectgen.search.pool import Pool
from reflectgen.search.votes import tally
from reflectgen.types import Result


async def esc(engine: Engine, request: Request) -> Result:
    """Solve `request` with at most `k` thinkings. Raises what `Engine.branches` raises."""
    window = min(request.settings_of(EscSettings).window, request.k)
    with Pool(engine, request, window) as pool:
        latest: list[Branch] = list(pool.branches)
        while latest:
            await pool.think_and_answer(latest)
            if max(tally(pool, latest, [1.0] * len(latest)), default=0.0) == len(latest):
                break
            latest = pool.add(min(window, request.k - len(pool.branches)))
        return await pool.conclude("esc", pool.candidates)
