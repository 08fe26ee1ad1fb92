"""Random programs over the branches of one engine: whatever a strategy may do, in whatever order, many at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from reflectgen.config import Sampling
from reflectgen.engine.base import Engine
from reflectgen.engine.branch import Branch

DEADLINE = 100.0
"""Seconds after which a batch of programs counts as deadlocked."""
FORCED = ("Wait", " so.\n\nx", "</think>", "</think>7", "", "<think>a")


class Program:
    """One strategy gone mad: it grows branches and does anything to any of them."""

    def __init__(self, engine: Engine, prompt: Sequence[int], seed: int) -> None:
        self.rng = random.Random(seed)
        sampling = Sampling(
            max_tokens=self.rng.randint(2, 40),
            answer_tokens=self.rng.randint(1, 8),
            temperature=self.rng.choice([0.0, 0.6, 1.0, 1.0, 1.0]),
            top_p=self.rng.choice([0.9, 1.0]),
            top_k=self.rng.choice([0, 0, 30]),
        )
        pace = self.rng.choice(["free", "step"])
        self.branches = engine.branches(prompt, self.rng.randint(1, 5), sampling, seed, pace)
        self.ceilings: dict[Branch, int] = {}
        self.operations = 0

    async def run(self) -> list[Branch]:
        """Do up to a dozen things, check every branch, cancel what is left; return all branches."""
        moves: list[Callable[[Branch], Awaitable[None]]] = [
            self.next, self.next, self.next, self.drain, self.ended, self.allow, self.allow,
            self.fork, self.fork, self.force, self.answer, self.answer, self.cancel, self.pause,
        ]  # fmt: skip
        for _ in range(self.rng.randint(1, 12)):
            await self.rng.choice(moves)(self.rng.choice(self.branches))
            self.operations += 1
            self.check()
        if self.rng.random() < 0.3:
            await asyncio.gather(*(branch.answer() for branch in self.branches))
            self.check()
        for branch in self.branches:
            branch.cancel()
        return self.branches

    async def next(self, branch: Branch) -> None:
        async for _ in branch:
            return

    async def drain(self, branch: Branch) -> None:
        async for _ in branch:
            pass

    async def ended(self, branch: Branch) -> None:
        await branch.ended()

    async def allow(self, branch: Branch) -> None:
        tokens = self.rng.choice([0, 1, 3, 10, None])
        branch.allow(tokens)
        self.ceilings.pop(branch, None)
        if tokens is not None:
            self.ceilings[branch] = drawn(branch) + tokens

    async def fork(self, branch: Branch) -> None:
        self.branches += branch.fork(self.rng.randint(1, 2))
        self.branches += branch.fork(1, at=0)

    async def force(self, branch: Branch) -> None:
        if branch.state in ("live", "halted", "closed") and not branch.answering:
            branch.force(self.rng.choice(FORCED))

    async def answer(self, branch: Branch) -> None:
        await branch.answer()

    async def cancel(self, branch: Branch) -> None:
        branch.cancel()

    async def pause(self, branch: Branch) -> None:
        for _ in range(self.rng.randint(1, 5)):
            await asyncio.sleep(0)

    def check(self) -> None:
        for branch in self.branches:
            assert branch.error is None, branch.error
            assert drawn(branch) <= self.ceilings.get(branch, drawn(branch)), "a branch drew more than it was allowed"
            check_steps(branch)


class Shaken(Program):
    """A program whose engine breaks now and then, which is no fault of its branches."""

    def check(self) -> None:
        for branch in self.branches:
            assert (branch.error is not None) == (branch.state == "failed")
            check_steps(branch)


def drawn(branch: Branch) -> int:
    """Tokens of `branch` that were not forced."""
    return len(branch.ids) - sum(high - low for low, high in branch.forced)


def check_steps(branch: Branch) -> None:
    """The branch's steps are those of the rule over its tokens, as far as they are graded."""
    spans = [step.token_span for step in branch.steps]
    truth = branch.tree.grammar.segmenter.steps(branch.ids, 0, branch.forced)
    assert spans == truth[: len(spans)], (spans, truth, branch.ids)
    if branch.awaiting is None and branch.state in ("closed", "finished"):
        assert len(spans) == len(truth)


async def run_programs(engine: Engine, prompts: Sequence[Sequence[int]], seeds: Sequence[int]) -> list[Branch]:
    """Run one program a seed, all at once; raises `TimeoutError` where they do not end."""
    programs = await finish([Program(engine, prompts[seed % len(prompts)], seed) for seed in seeds], engine)
    return [branch for program in programs for branch in program.branches]


async def finish(programs: Sequence[Program], engine: Engine) -> Sequence[Program]:
    """Run them all at once until the engine holds nothing; raises `TimeoutError` where that does not come."""
    async with asyncio.timeout(DEADLINE):
        await asyncio.gather(*(program.run() for program in programs))
        await released(engine)
    return programs


async def released(engine: Engine) -> None:
    """Wait until the engine holds nothing."""
    while engine.held or engine.waiting:
        await asyncio.sleep(0.001)
