"""The engine over vLLM: branches are requests. See `reflectgen.engine.base.Engine` for the contract.

A live branch is one streaming request whose prompt is all that it has written so far. A fork is a new request with the same
beginning, which vLLM's prefix cache has; a cancelled branch's request is aborted; a halted branch is no request at all, and
what the cache still holds of it when it goes on is vLLM's business. So nothing is held while nothing is drawn, and no search
can block another.

What a request reads for the head is the business of `reflectgen.engine.vllm.asks`. Given traces are graded by such requests,
one a step, out of the cache, after one pass that measures their log-probs.

What is counted. `tokens_generated`: tokens kept. `tokens_prefilled`: tokens of requests that the cache did not hold, at least
the last one of each, and tokens that were replayed; a request that was cut off at a server told nothing of its cache and
counts in full.
`forward_passes` is None: vLLM does not tell. Deviation: equal seeds give equal distributions, not equal tokens, and where
both top-k and top-p are set, top-p is taken of what top-k left.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing

from reflectgen.background import together
from reflectgen.config import Sampling
from reflectgen.engine.base import room
from reflectgen.engine.branch import Branch, Pace
from reflectgen.engine.grammar import Grammar
from reflectgen.engine.record import Spans, Trace, read_windows, trace_steps
from reflectgen.engine.tree import Tree
from reflectgen.engine.vllm.asks import asks_of, read
from reflectgen.engine.vllm.fleet import Failure, Fleet
from reflectgen.engine.vllm.replica import TRIES, Measured, Replica
from reflectgen.errors import CapacityError, ModelError, OptionError, ReflectgenError
from reflectgen.types import Step

HOTTEST = 2.0
"""Highest temperature that vLLM takes."""


class VLLMEngine:
    """Draws and grades with vLLM, on one replica or many."""

    def __init__(self, fleet: Fleet, grammar: Grammar) -> None:
        self.fleet = fleet
        self.grammar = grammar
        self.context = fleet.context - 1  # a request draws at least one token
        self._tasks: dict[Branch, asyncio.Task[None]] = {}
        self._asks = asks_of(grammar, fleet)

    # -- the contract --------------------------------------------------------------------------------------------

    @property
    def failures(self) -> list[Failure]:
        """Every time that a branch lost its replica."""
        return self.fleet.failures

    @property
    def notes(self) -> Sequence[str]:
        """Which replicas were lost, why, and to how many branches."""
        counts = Counter((failure.replica, failure.reason) for failure in self.failures)
        return [
            f"{replica} was lost {count} times ({reason}): branches went on where they could."
            for (replica, reason), count in counts.items()
        ]

    @property
    def pressure(self) -> float:
        """Share of vLLM's cache in use, in [0, 1]; of many replicas the largest."""
        return self.fleet.pressure

    @property
    def waiting(self) -> int:
        """Requests that wait for a place in vLLM."""
        return self.fleet.waiting

    @property
    def held(self) -> int:
        """Branches that are a request now."""
        return len(self._tasks)

    def branches(self, prompt: Sequence[int], n: int, sampling: Sampling, seed: int, pace: Pace = "free") -> list[Branch]:
        """`n` live branches from `prompt`; see `Engine.branches`. Call it inside a running event loop."""
        if sampling.temperature > HOTTEST:
            raise OptionError(
                f"vLLM draws at temperatures up to {HOTTEST:g}, not at {sampling.temperature:g}: choose a lower one."
            )
        self.fleet.choose(len(prompt))
        tree = Tree(prompt, sampling, seed, pace, room(prompt, self.context), self.grammar, self)
        tree.ledger.forward_passes = None
        branches = tree.grow(n)
        for branch in branches:
            self.wake(branch)
        return branches

    async def score(
        self, prompt: Sequence[int], completion: Sequence[int], forced: Sequence[tuple[int, int]] = ()
    ) -> tuple[Step, ...]:
        """The graded steps of a given trace; see `Engine.score`."""
        ids = [*prompt, *completion]
        if len(ids) > self.context:
            raise CapacityError(f"The trace has {len(ids)} tokens, the engine's context {self.context}: shorten it.")
        if not completion:
            return ()
        forced = forced if prompt else [(0, 1), *forced]
        windows = read_windows(self.grammar, prompt, completion, forced)
        measured, logits = await self.fleet.on_one(len(ids), lambda replica: self._score_on(replica, ids, windows))
        blank = [0.0] * (len(completion) - len(measured.logprobs))
        trace = Trace(
            prompt=prompt,
            completion=completion,
            forced=forced,
            logprobs=[*blank, *measured.logprobs[-len(completion) :]],
            confidences=[*blank, *measured.confidences[-len(completion) :]],
        )
        return trace_steps(self.grammar, trace, logits)

    async def close(self) -> None:
        """Cancel what is live and let the replicas go."""
        for branch in list(self._tasks):
            branch.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self.fleet.close()

    def wake(self, branch: Branch) -> None:
        """A branch has become live: it becomes a request, unless it still is one, which then looks at it again."""
        task = self._tasks.get(branch)
        if task is None or task.done():
            task = self._tasks[branch] = asyncio.get_running_loop().create_task(self._go_on(branch))
            task.add_done_callback(lambda done: self._forget(branch, done))

    def release(self, branch: Branch) -> None:
        """A branch has ended: its request is aborted."""
        task = self._tasks.get(branch)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    # -- inside --------------------------------------------------------------------------------------------------

    def _forget(self, branch: Branch, task: asyncio.Task[None]) -> None:
        if self._tasks.get(branch) is task:
            del self._tasks[branch]

    async def _go_on(self, branch: Branch) -> None:
        """Request after request while the branch is live. What goes wrong fails this branch and no other."""
        idle = 0
        try:
            while branch.state == "live":
                before = branch.length, branch.awaiting, branch.epoch, len(self.fleet.live)
                await self._request(branch)
                idle = idle + 1 if (branch.length, branch.awaiting, branch.epoch, len(self.fleet.live)) == before else 0
                if idle == TRIES and branch.state == "live":
                    raise ModelError(f"vLLM gave no token in {TRIES} tries: look at its own log.")
        except Exception as error:
            branch.fail(str(error) if isinstance(error, ReflectgenError) else f"{type(error).__name__}: {error}")

    async def _request(self, branch: Branch) -> None:
        """One request, until it ends or the branch wants something else."""
        epoch, ask, wanted = branch.epoch, self._asks.ask(branch), True
        place = len(ask.ids) - 1  # of the state that the next row read
        drawn = place + ask.replayed  # of that which the first token is drawn from
        async with aclosing(self.fleet.draw(branch, ask)) as parts:
            async for part in parts:
                branch.tree.ledger.tokens_prefilled += part.prefilled + max(0, min(drawn - place, len(part.rows)))
                for row in part.rows:
                    if place >= drawn:
                        wanted = wanted and branch.state == "live" and branch.epoch == epoch
                        wanted = wanted and await self._asks.take(branch, ask, place, row)
                    place += 1
                if not wanted and not part.done:
                    return

    async def _score_on(self, replica: Replica, ids: Sequence[int], windows: Spans) -> tuple[Measured, list[float | None]]:
        """One pass that measures and fills the cache, then the state of each step out of the cache."""
        measured = await replica.measure(ids)
        if not self.grammar.reads:
            return measured, [None] * len(windows)
        found = await together(read(replica, self._asks.given(ids, window)) for window in windows)
        return measured, [logit for logit, _ in found]
