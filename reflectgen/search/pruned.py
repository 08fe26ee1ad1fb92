"""Pruning while thinkings are written: all k start, the weak ones are cancelled, and what they held is free at the next token.

The score of a prefix is in hand when its last step ends, so a thinking need not be finished to be given up. Rules:

- `halving`: from step `start` on, every `every` steps, room is left for the share `keep` of those for whom there was room
  before (the successive halving of Karnin et al., ICML 2013);
- `prefix`: at step `start`, once: launch, check, resume (STOP, arXiv 2604.16029, with our score for its head);
- `bound`: one goes when its mean log step score plus `margin` standard errors lies below the best one's minus as many;
- `behind`: none but what `within` says;
- `memory`: only where the engine has no room for somebody who waits (STEP, arXiv 2601.09093, cancels one at a time; here the
  weaker part of those that were graded goes, until `keep` of them are left).

With every rule but `memory`, one whose product of step scores falls below `within` of the largest goes first: a product only
falls, so in a vote weighted by it that one could never weigh more. The others then count as equally good, and a rule that
keeps a share keeps those that came first, which is a random choice: the highest of many high scores are often the head's
mistakes. With `within` 0 a rule keeps the best.

`least` thinkings are left by every rule. All but `memory` decide between steps, so they depend on no engine's timing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from statistics import fmean

from reflectgen.config.search import PrunedSettings
from reflectgen.engine.base import Engine
from reflectgen.engine.branch import Branch
from reflectgen.scoring import EPS
from reflectgen.search.base import Request
from reflectgen.search.pool import Pool
from reflectgen.types import Result

Rule = Callable[[Sequence[Branch], int, int, PrunedSettings], Sequence[Branch]]
"""From those that are left, the best first, k, and the steps taken, to those that are to be cancelled, weakest first."""


async def pruned(engine: Engine, request: Request) -> Result:
    """Solve `request`; k branches start. Raises what `Engine.branches` raises."""
    settings = request.settings_of(PrunedSettings)
    if settings.rule == "memory":
        return await _while_full(engine, request, settings)
    with Pool(engine, request, request.k, "step") as pool:
        steps = 0
        while await pool.step(pool.thinking):
            steps += 1
            if steps >= settings.start:
                left = pool.candidates
                pool.cancel(pool.behind(left, settings.within, left), f"behind at step {steps}")
                ranked = pool.candidates if settings.within else pool.ranked(left)
                _cancel(pool, RULES[settings.rule](ranked, request.k, steps, settings), settings, f"weak at step {steps}")
        return await pool.conclude("pruned", pool.candidates)


def halving(ranked: Sequence[Branch], k: int, steps: int, settings: PrunedSettings) -> Sequence[Branch]:
    """All for whom no room is left: at the n-th decision it is for k * keep ** n."""
    decisions = (steps - settings.start) // settings.every + 1
    return ranked[math.ceil(k * settings.keep**decisions) :][::-1]


def prefix(ranked: Sequence[Branch], k: int, steps: int, settings: PrunedSettings) -> Sequence[Branch]:
    """All but the first `keep`, at step `start` alone."""
    return _last(ranked, settings.keep) if steps == settings.start else ()


def bound(ranked: Sequence[Branch], k: int, steps: int, settings: PrunedSettings) -> Sequence[Branch]:
    """Those whose upper bound lies below the largest lower bound; the spread within thinkings is taken to be one for all."""
    measured = {branch: values for branch in ranked if (values := _log_scores(branch))}
    means = {branch: fmean(values) for branch, values in measured.items()}
    squares = math.fsum((value - means[branch]) ** 2 for branch, values in measured.items() for value in values)
    freedom = sum(map(len, measured.values())) - len(measured)
    if freedom < 1:
        return ()
    slack = {branch: settings.margin * math.sqrt(squares / freedom / len(values)) for branch, values in measured.items()}
    floor = max(means[branch] - slack[branch] for branch in means)
    return sorted((branch for branch in means if means[branch] + slack[branch] < floor), key=lambda branch: means[branch])


def behind(ranked: Sequence[Branch], k: int, steps: int, settings: PrunedSettings) -> Sequence[Branch]:
    """Nobody more."""
    return ()


RULES: dict[str, Rule] = {"halving": halving, "prefix": prefix, "bound": bound, "behind": behind}
"""Name -> rule; `memory` acts between tokens and is not of these."""


def _cancel(pool: Pool, weak: Sequence[Branch], settings: PrunedSettings, why: str) -> None:
    """Cancel them, weakest first, until `least` are left."""
    pool.cancel(weak[: max(0, len(pool.candidates) - settings.least)], why)


def _last(ranked: Sequence[Branch], keep: float) -> Sequence[Branch]:
    return ranked[math.ceil(keep * len(ranked)) :][::-1]


def _log_scores(branch: Branch) -> list[float]:
    """Log scores of its steps, or their log-probs where no head graded them."""
    return [step.logprob if step.score is None else math.log(max(step.score, EPS)) for step in branch.steps]


async def _while_full(engine: Engine, request: Request, settings: PrunedSettings) -> Result:
    """The rule `memory`: whenever a step ends and the engine is full, the weaker of those that it has graded make room."""
    with Pool(engine, request, request.k) as pool:
        think = pool.think_and_answer if request.answer == "all" else pool.think
        await think(pool.branches, partial(_make_room, engine, pool, settings))
        return await pool.conclude("pruned", pool.candidates)


def _make_room(engine: Engine, pool: Pool, settings: PrunedSettings) -> None:
    """Cancel the weaker of those that were graded, if the engine is full and no more are ungraded than wait for a place."""
    thinking = pool.thinking
    graded = [branch for branch in thinking if len(branch.steps) >= settings.start]
    if engine.pressure >= 1 and engine.waiting and len(thinking) - len(graded) <= engine.waiting:
        _cancel(pool, _last(pool.ranked(graded), settings.keep), settings, "no memory for those that wait")
