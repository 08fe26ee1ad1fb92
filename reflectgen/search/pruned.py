"""Pruning while thinkings are written: all k start, the weak ones are cancelled, and what they held is free at the next token.

The score of a prefix is in hand when its last step ends, so a thinking need not be finished to be given up. Rules:

- `halving`: from step `start` on, every `every` steps, the best `keep` of those that are left go on (the successive halving
  of Karnin et al., ICML 2013);
- `prefix`: at step `start`, once: launch, check, resume (STOP, arXiv 2604.16029, with our score for its head);
- `bound`: one goes when its mean log step score plus `margin` standard errors lies below the best one's minus as many;
- `memory`: only where the engine has no room for somebody who waits (STEP, arXiv 2601.09093, cancels one at a time; here the
  weaker part of those that were graded goes, until `keep` of them are left).

`least` thinkings are never cancelled. All but `memory` decide between steps, so they depend on no engine's timing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from statistics import fmean, stdev

from reflectgen.config.search import PrunedSettings
from reflectgen.engine.base import Engine
from reflectgen.engine.branch import Branch
from reflectgen.scoring import EPS
from reflectgen.search.base import Request
from reflectgen.search.pool import Pool
from reflectgen.types import Result

Rule = Callable[[Pool, Sequence[Branch], int, PrunedSettings], Sequence[Branch]]
"""From those that are left and the steps that were taken to those that are to be cancelled."""


async def pruned(engine: Engine, request: Request) -> Result:
    """Solve `request`; k branches start. Raises what `Engine.branches` raises."""
    settings = request.settings_of(PrunedSettings)
    if settings.rule == "memory":
        return await _while_full(engine, request, settings)
    rule = RULES[settings.rule]
    with Pool(engine, request, request.k, "step") as pool:
        steps = 0
        while await pool.step(pool.thinking):
            steps += 1
            left = pool.candidates
            weak = list(rule(pool, left, steps, settings)) if steps >= settings.start else []
            pool.cancel(weak[: max(0, len(left) - settings.least)], f"weak at step {steps}")
        return await pool.conclude("pruned", pool.candidates)


def halving(pool: Pool, left: Sequence[Branch], steps: int, settings: PrunedSettings) -> Sequence[Branch]:
    """All but the best `keep`, weakest first, every `every` steps."""
    due = (steps - settings.start) % settings.every == 0
    return _weakest(pool, left, settings.keep) if due else ()


def prefix(pool: Pool, left: Sequence[Branch], steps: int, settings: PrunedSettings) -> Sequence[Branch]:
    """All but the best `keep`, weakest first, at step `start` alone."""
    return _weakest(pool, left, settings.keep) if steps == settings.start else ()


def bound(pool: Pool, left: Sequence[Branch], steps: int, settings: PrunedSettings) -> Sequence[Branch]:
    """Those whose upper bound lies below the largest lower bound, weakest first."""
    measured = {branch: _log_scores(branch) for branch in left}
    spread = [value - fmean(values) for values in measured.values() for value in values]
    deviation = stdev(spread) if len(spread) > 1 else 0.0
    means = {branch: fmean(values) for branch, values in measured.items() if values}
    slack = {branch: settings.margin * deviation / math.sqrt(len(measured[branch])) for branch in means}
    floor = max((means[branch] - slack[branch] for branch in means), default=-math.inf)
    return sorted((branch for branch in means if means[branch] + slack[branch] < floor), key=lambda branch: means[branch])


RULES: dict[str, Rule] = {"halving": halving, "prefix": prefix, "bound": bound}
"""Name -> rule; `memory` acts between tokens and is not of these."""


def _weakest(pool: Pool, left: Sequence[Branch], keep: float) -> list[Branch]:
    return pool.ranked(left)[math.ceil(keep * len(left)) :][::-1]


def _log_scores(branch: Branch) -> list[float]:
    """Log scores of its steps, or their log-probs where no head graded them."""
    return [step.logprob if step.score is None else math.log(max(step.score, EPS)) for step in branch.steps]


async def _while_full(engine: Engine, request: Request, settings: PrunedSettings) -> Result:
    """The rule `memory`: whenever a step ends and the engine is full, the weaker of those that it has graded make room."""
    with Pool(engine, request, request.k) as pool:

        async def write(branch: Branch) -> None:
            async for _ in branch:
                request.observe(branch)
                _make_room(engine, pool, settings)
            await pool.think_and_answer([branch])

        await asyncio.gather(*(write(branch) for branch in pool.branches))
        return await pool.conclude("pruned", pool.candidates)


def _make_room(engine: Engine, pool: Pool, settings: PrunedSettings) -> None:
    """Cancel the weaker of those that write, if some of this search wait for memory and all that write were graded."""
    writing = [branch for branch in pool.thinking if branch.ids]
    waiting = len(pool.thinking) - len(writing)
    graded = [branch for branch in writing if len(branch.steps) >= settings.start]
    if engine.pressure < 1 or not waiting or len(graded) < len(writing):
        return
    weak = _weakest(pool, graded, settings.keep)
    pool.cancel(weak[: max(0, len(pool.candidates) - settings.least)], "no memory for those that wait")
