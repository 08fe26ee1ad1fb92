"""Best-of-N: sample k thinkings at once, grade each while it is written, keep the best.

Source: arXiv 2507.01951, inference: sample k thinkings, take the argmax of the trajectory score S, answer from that
thinking. That is `answer="chosen"` with the selector `sprm`. With `answer="all"` each thinking writes its answer as it
closes, so that every selector can decide over the same trajectories; a failed one is kept as a record.
"""

from __future__ import annotations

from reflectgen.engine.base import Engine
from reflectgen.search.base import Request
from reflectgen.search.pool import Pool
from reflectgen.types import Result


async def best_of_n(engine: Engine, request: Request) -> Result:
    """Solve `request`; all its branches live at once. Raises what `Engine.branches` raises."""
    with Pool(engine, request, request.k) as pool:
        if request.answer == "all":
            await pool.think_and_answer(pool.branches)
        else:
            await pool.think(pool.branches)
        return await pool.conclude("best_of_n", pool.branches)
