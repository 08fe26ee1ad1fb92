"""Beam search over steps: at each step the best `k / expand` prefixes are kept and continued `expand` times each.

Source: arXiv 2408.03314 (Snell et al.), beam search against a process reward model, lookahead 0, as one of the searches that
arXiv 2507.01951 names. There a prefix is worth the score of its last step; here what the selector says of the whole prefix,
for SPRM the geometric mean of its steps.

A survivor goes on itself beside its forks, so one continuation in `expand` costs no copy. Prefixes that wrote the same count
once. A thinking that ends keeps its place among the best.
"""

from __future__ import annotations

from collections.abc import Sequence

from reflectgen.config.search import BeamSettings
from reflectgen.engine.base import Engine
from reflectgen.engine.branch import Branch
from reflectgen.search.base import Request
from reflectgen.search.pool import Pool, thinks
from reflectgen.types import Result


async def beam(engine: Engine, request: Request) -> Result:
    """Solve `request` with `k` prefixes in competition. Raises what `Engine.branches` raises."""
    expand = min(request.settings_of(BeamSettings).expand, request.k)
    places = request.k // expand
    with Pool(engine, request, places * expand, "step") as pool:
        while await pool.step(pool.thinking):
            best = survivors(pool, pool.candidates, places)
            for branch in best:
                if thinks(branch):
                    pool.fork(branch, expand - 1)
        return await pool.conclude("beam", pool.candidates)


def survivors(pool: Pool, competing: Sequence[Branch], places: int) -> list[Branch]:
    """The best `places` of those that compete, equal ones counted once; the others are cancelled."""
    ranked = pool.ranked(pool.distinct([branch for branch in competing if branch.state not in ("cancelled", "failed")]))
    pool.cancel(ranked[places:], f"not among the best {places}")
    return ranked[:places]
