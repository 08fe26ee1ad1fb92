"""DeepConf online: thinkings whose confidence falls below what a warm-up shows to be usual are stopped.

Source: arXiv 2508.15260. A warm-up share of the k thinkings is written whole; the least confidence asked for is the value
that `keep` of them exceed. The others are stopped as soon as a window of theirs is weaker, and votes weigh a thinking by its
confidence. The search ends where the leading answer has the share `consensus` of the votes. A baseline: it needs no head.

Deviations: a window is a number of steps, not of tokens, and confidence is looked at between steps; a thinking that is over
before it has a whole window is measured by the mean of its steps. While the search goes on all that answered vote on whether
there is consensus; in the final vote, as in the paper, those below the threshold do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from reflectgen import select
from reflectgen.config.search import DeepConfSettings
from reflectgen.engine.base import Engine
from reflectgen.engine.branch import Branch
from reflectgen.search.base import Request
from reflectgen.search.pool import Pool, thinks
from reflectgen.search.votes import tally
from reflectgen.types import Result


async def deepconf(engine: Engine, request: Request) -> Result:
    """Solve `request` with at most `k` thinkings. Raises what `Engine.branches` raises."""
    settings = request.settings_of(DeepConfSettings)
    with Pool(engine, request, max(1, math.ceil(settings.warmup * request.k)), "step") as pool:
        while await pool.step(pool.thinking):
            pass
        await pool.answer(pool.candidates)
        asked = _asked(pool.candidates, settings)
        pool.add(min(settings.live, request.k - len(pool.branches)))
        while not _agreed(pool, settings) and await pool.step(pool.thinking):
            weak = [branch for branch in pool.candidates if weakest(branch, settings.window) < asked]
            pool.cancel(weak, f"confidence below {asked:.3f}")
            await pool.answer(pool.closed)
            pool.add(min(settings.live - len(pool.thinking), request.k - len(pool.branches)))
        if _agreed(pool, settings):
            pool.cancel(pool.thinking, "consensus")
        confident = [branch for branch in pool.candidates if weakest(branch, settings.window) >= asked]
        return await pool.conclude("deepconf", confident or pool.candidates)


def weakest(branch: Branch, window: int) -> float:
    """Least mean confidence of `window` consecutive steps.

    With fewer it is infinite while the thinking goes on, and after that the mean of those that there are, 0 without any.
    """
    values = [step.confidence for step in branch.steps]
    means = [fmean(values[start : start + window]) for start in range(len(values) - window + 1)]
    return min(means, default=math.inf if thinks(branch) else fmean(values or [0.0]))


SLACK = 1e-3
"""Nats by which confidences of one text may differ between engines: less than that decides nothing."""


def _asked(warmed: Sequence[Branch], settings: DeepConfSettings) -> float:
    """The confidence that the share `keep` of the warm-up reaches, less `SLACK`."""
    found = sorted((weakest(branch, settings.window) for branch in warmed), reverse=True)
    return found[max(0, math.ceil(settings.keep * len(found)) - 1)] - SLACK if found else -math.inf


def _agreed(pool: Pool, settings: DeepConfSettings) -> bool:
    """Whether the leading answer has the share of the votes that ends the search."""
    voters = [branch for branch in pool.branches if branch.state == "finished"]
    totals = tally(pool, voters, select.values("weighted:confidence", voters))
    total = math.fsum(totals)
    return total > 0 and totals[0] >= settings.consensus * total
