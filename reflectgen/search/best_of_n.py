"""Best-of-N: sample k thinkings at once, grade each while it is written, keep the best.

Source: arXiv 2507.01951, inference: sample k thinkings, take the argmax of the trajectory score S, answer from that
thinking. That is `answer="chosen"` with the selector `sprm`. With `answer="all"` each thinking writes its answer as it
closes, so that every selector can decide over the same trajectories; a failed one is kept as a record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from reflectgen.engine.base import Engine
from reflectgen.engine.branch import Branch
from reflectgen.search.base import Request
from reflectgen.types import Choice, Result


async def best_of_n(engine: Engine, request: Request) -> Result:
    """Solve `request`; all its branches live at once. Raises what `Engine.branches` raises."""
    branches = engine.branches(request.prompt, request.k, request.sampling, request.seed)
    try:
        decide = _answer_chosen if request.answer == "chosen" else _answer_all
        choice = await decide(branches, request)
    finally:
        for branch in branches:
            branch.cancel()
    return request.result("best_of_n", choice, request.freeze(branches), branches[0].tree.cost)


async def _answer_all(branches: Sequence[Branch], request: Request) -> Choice:
    """Every branch answers as soon as its thinking is closed; then the selector decides."""
    await asyncio.gather(*(_think_and_answer(branch, request) for branch in branches))
    return request.choose(request.freeze(branches))


async def _answer_chosen(branches: Sequence[Branch], request: Request) -> Choice:
    """The selector decides over the thinkings; only the chosen one answers."""
    await asyncio.gather(*(_think(branch, request) for branch in branches))
    choice = request.choose(request.freeze(branches))
    if choice.index is None:
        return choice
    chosen = branches[choice.index]
    await _answer(chosen, request)
    return replace(choice, answer=chosen.trajectory(request.extract).answer)


async def _think_and_answer(branch: Branch, request: Request) -> None:
    await _think(branch, request)
    await _answer(branch, request)


async def _think(branch: Branch, request: Request) -> None:
    async for _ in branch:
        request.observe(branch)
    request.observe(branch)


async def _answer(branch: Branch, request: Request) -> None:
    await branch.answer()
    request.observe(branch)
