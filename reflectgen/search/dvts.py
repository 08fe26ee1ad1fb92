"""Diverse verifier tree search: k / expand trees that do not compete, each a greedy search over steps.

Source: Beeching et al., "Scaling test-time compute with open models" (Hugging Face, 2024): beam search split into
independent subtrees, since one beam soon consists of near copies of its best prefix. In each tree the best of `expand`
continuations is kept at every step; the selector decides among the trees' thinkings.
"""

from __future__ import annotations

from reflectgen.config.search import BeamSettings
from reflectgen.engine.base import Engine
from reflectgen.search.base import Request
from reflectgen.search.pool import Pool, thinks
from reflectgen.types import Result


async def dvts(engine: Engine, request: Request) -> Result:
    """Solve `request` with `k` branches at most. Raises what `Engine.branches` raises."""
    expand = min(request.settings_of(BeamSettings).expand, request.k)
    with Pool(engine, request, request.k // expand * expand, "step") as pool:
        trees = [pool.branches[start : start + expand] for start in range(0, len(pool.branches), expand)]
        while await pool.step(pool.thinking):
            for tree in trees:
                present = pool.distinct([branch for branch in tree if branch in pool.candidates])
                if not present:
                    continue
                best, *others = pool.ranked(present)
                pool.cancel(others, f"branch {best.id} is better")
                tree[:] = [best, *(pool.fork(best, expand - 1) if thinks(best) else [])]
        return await pool.conclude("dvts", pool.candidates)
