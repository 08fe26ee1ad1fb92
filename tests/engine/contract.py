"""What every engine must do, whatever computes: subclass `Contract` in an engine's test file and give it `make`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from engine.programs import check_steps, drawn, released, run_programs

from reflectgen.config import Sampling
from reflectgen.engine.branch import Branch
from reflectgen.errors import CapacityError, InputError
from reflectgen.types import Step

HEADS: dict[str, dict[str, Any]] = {
    "before": {"offset": -1},
    "at": {"offset": 0},
    "before, end": {"offset": -1, "grade_end": True},
    "at, end": {"offset": 0, "grade_end": True},
    "before, pooled": {"offset": -1, "pool": "step"},
    "at, pooled, end": {"offset": 0, "pool": "step", "grade_end": True},
}
"""Ways to read steps: fields of `HeadConfig`."""
SOME_HEADS = pytest.mark.parametrize("head", [HEADS["before, end"], HEADS["at, pooled, end"]], ids=["before", "at"])
"""The two that have most in them."""
EVERY_HEAD = pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
SAMPLING = Sampling(max_tokens=40, answer_tokens=8, temperature=1.0, top_p=1.0)
TOLERANCE = 1e-4
PATIENCE = 60
"""Seconds after which what should have ended at once counts as stuck, on a machine that may be slow."""


def assert_equal_steps(ours: Sequence[Step], theirs: Sequence[Step], tolerance: float = TOLERANCE) -> None:
    """Equal spans and texts, and all numbers within `tolerance`."""
    assert [(step.token_span, step.text) for step in ours] == [(step.token_span, step.text) for step in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert (one.logprob, one.confidence) == pytest.approx((other.logprob, other.confidence), abs=tolerance)
        assert (one.score is None) == (other.score is None)
        if one.logit is not None:
            assert (one.score, one.logit) == pytest.approx((other.score, other.logit), abs=tolerance)


async def tokens_of(branches: Sequence[Branch]) -> list[list[int]]:
    """The thinkings' tokens when all have ended."""
    await asyncio.gather(*(branch.ended() for branch in branches))
    return [list(branch.ids) for branch in branches]


class Contract:
    """The tests. `make` builds a fresh engine; `rescored` says whether forked traces can be scored again."""

    rescored = True
    varied = True
    """Whether other seeds give other tokens."""
    seeds: Sequence[int] = range(24)
    """Random programs that run at once."""

    def make(self, **head: Any) -> Any:
        """A fresh engine whose head reads as one of `HEADS` says."""
        raise NotImplementedError

    @asynccontextmanager
    async def engine(self, **head: Any) -> AsyncIterator[Any]:
        """An engine that is closed afterwards and then holds nothing."""
        engine = self.make(**head)
        try:
            yield engine
        finally:
            await engine.close()
        assert (engine.held, engine.waiting) == (0, 0)

    def prompt(self, engine: Any, text: str = "Add 1 and 2.") -> list[int]:
        ids: list[int] = engine.grammar.table.encode(text)
        return ids

    @EVERY_HEAD
    async def test_branches_think_step_by_step_and_answer(self, head: dict[str, Any]) -> None:
        async with self.engine(**head) as engine:
            branches = engine.branches(self.prompt(engine), 6, SAMPLING, seed=1)
            assert [(branch.id, branch.state) for branch in branches] == [(str(i), "live") for i in range(6)]
            for branch in branches:
                steps = [step async for step in branch]
                assert branch.state == "closed"
                assert steps == branch.steps
                assert len(steps) > 0
                check_steps(branch)
            await asyncio.gather(*(branch.answer() for branch in branches))
            assert {branch.state for branch in branches} == {"finished"}
            cost = branches[0].tree.cost
            assert cost.tokens_generated >= sum(map(drawn, branches))
            assert cost.tokens_prefilled >= len(self.prompt(engine))
            assert cost.forward_passes is None or cost.forward_passes >= max(map(drawn, branches))
            assert cost.seconds > 0
            await released(engine)

    @EVERY_HEAD
    async def test_a_given_trace_gets_the_steps_that_decoding_it_reported(self, head: dict[str, Any]) -> None:
        async with self.engine(**head) as engine:
            prompt = self.prompt(engine)
            branches = engine.branches(prompt, 6, SAMPLING, seed=2)
            await tokens_of(branches)
            await asyncio.gather(*(branch.answer() for branch in branches))
            for branch in branches:
                assert_equal_steps(branch.steps, await engine.score(prompt, branch.ids, branch.forced))

    @EVERY_HEAD
    async def test_forced_and_forked_traces_are_scored_alike_too(self, head: dict[str, Any]) -> None:
        if not self.rescored:
            pytest.skip("scripted numbers belong to a script, not to a text")
        async with self.engine(**head) as engine:
            prompt = self.prompt(engine)
            parents = engine.branches(prompt, 4, SAMPLING, seed=3, pace="step")
            children = []
            for parent in parents:
                await anext(parent, None)
                children += parent.fork(2)
                parent.force("Wait.\n\n")
            await tokens_of(children)
            for child in children:
                if child.state != "closed":
                    child.force(" so")
            every = [*parents, *children]
            await asyncio.gather(*(branch.answer() for branch in every))
            for branch in every:
                assert_equal_steps(branch.steps, await engine.score(prompt, branch.ids, branch.forced))

    async def test_a_budget_is_never_exceeded(self) -> None:
        async with self.engine() as engine:
            branches = engine.branches(self.prompt(engine), 5, SAMPLING, seed=4)
            for tokens, branch in enumerate(branches):
                branch.allow(tokens)
            await tokens_of(branches)
            assert all(len(branch.ids) <= tokens for tokens, branch in enumerate(branches))
            assert all(len(branch.ids) == tokens or branch.state == "closed" for tokens, branch in enumerate(branches))
            assert branches[0].tree.cost.tokens_generated == sum(map(drawn, branches))
            for branch in branches:
                branch.allow(2)
            await asyncio.gather(*(branch.answer() for branch in branches))
            assert all(drawn(branch) <= tokens + 2 for tokens, branch in enumerate(branches))

    async def test_limits_hold(self) -> None:
        async with self.engine() as engine:
            sampling = Sampling(max_tokens=3, answer_tokens=2, temperature=1.0)
            branches = engine.branches(self.prompt(engine), 8, sampling, seed=5)
            await tokens_of(branches)
            await asyncio.gather(*(branch.answer() for branch in branches))
            assert all(branch.trajectory(str).tokens <= 3 for branch in branches)
            assert all(drawn(branch) <= 3 + 2 for branch in branches)

    async def test_a_completion_fits_the_context(self) -> None:
        async with self.engine() as engine:
            prompt = (self.prompt(engine) * engine.context)[: engine.context - 12]
            branches = engine.branches(prompt, 3, SAMPLING, seed=6)
            await tokens_of(branches)
            await asyncio.gather(*(branch.answer() for branch in branches))
            assert all(branch.state == "finished" and branch.error is None for branch in branches)
            assert all(branch.length <= engine.context for branch in branches)

    async def test_pace_step_draws_nothing_until_the_next_step_is_asked_for(self) -> None:
        async with self.engine() as engine:
            branches = engine.branches(self.prompt(engine), 4, SAMPLING, seed=7, pace="step")
            await tokens_of(branches)
            assert all(len(branch.steps) == 1 for branch in branches)
            before = [list(branch.ids) for branch in branches]
            await asyncio.sleep(0.02)
            assert [branch.ids for branch in branches] == before
            for branch in branches:
                first = await anext(branch)
                second = await anext(branch, None)
                assert branch.steps[:2] == [first, *([second] if second else [])]

    async def test_forks_share_their_steps_and_leave_the_parent_as_it_is(self) -> None:
        async with self.engine() as engine:
            [parent] = engine.branches(self.prompt(engine), 1, SAMPLING, seed=8)
            await parent.ended()
            ids, steps = list(parent.ids), list(parent.steps)
            kept = [step async for step in parent]
            newest = parent.fork(2)
            at = 1 if len(steps) > 1 else 0
            earlier = parent.fork(2, at=at)
            await tokens_of([*newest, *earlier])
            assert (parent.ids, parent.steps, parent.state) == (ids, steps, "closed")
            assert all(child.steps[:at] == kept[:at] for child in [*newest, *earlier])
            assert all(child.error is None for child in [*newest, *earlier])
            for child in [*newest, *earlier]:
                check_steps(child)

    async def test_equal_seeds_give_equal_tokens_whatever_else_is_in_the_batch(self) -> None:
        async with self.engine() as engine:
            prompt = self.prompt(engine)
            alone = await tokens_of(engine.branches(prompt, 3, SAMPLING, seed=9))
            others = engine.branches(self.prompt(engine, "What is 12?"), 5, SAMPLING, seed=10)
            await asyncio.sleep(0)
            among = await tokens_of(engine.branches(prompt, 5, SAMPLING, seed=9))
            assert among[:3] == alone
            await tokens_of(others)
            if self.varied:
                assert await tokens_of(engine.branches(prompt, 3, SAMPLING, seed=11)) != alone

    async def test_cancel_frees(self) -> None:
        async with self.engine() as engine:
            branches = engine.branches(self.prompt(engine), 8, SAMPLING, seed=12)
            await asyncio.sleep(0.005)
            for branch in branches:
                branch.cancel()
            before = [list(branch.ids) for branch in branches]
            await asyncio.wait_for(released(engine), timeout=PATIENCE)
            assert [branch.ids for branch in branches] == before
            assert {branch.state for branch in branches} == {"cancelled"}

    async def test_forks_of_a_cancelled_branch_go_on(self) -> None:
        async with self.engine() as engine:
            [parent] = engine.branches(self.prompt(engine), 1, SAMPLING, seed=13, pace="step")
            await parent.ended()
            await anext(parent)
            parent.cancel()
            await asyncio.wait_for(released(engine), timeout=PATIENCE)
            [child] = parent.fork(1)
            await child.answer()
            assert (child.state, child.error) == ("finished", None)

    async def test_closing_the_engine_ends_every_wait(self) -> None:
        engine = self.make()
        branches = engine.branches(self.prompt(engine), 3, SAMPLING, seed=14, pace="step")
        answers = asyncio.gather(*(branch.answer() for branch in branches))
        await asyncio.sleep(0)
        await engine.close()
        await asyncio.wait_for(answers, timeout=PATIENCE)
        assert all(branch.state in ("cancelled", "finished") for branch in branches)
        assert (engine.held, engine.waiting) == (0, 0)

    async def test_prompts_that_cannot_be_are_refused(self) -> None:
        async with self.engine() as engine:
            with pytest.raises(InputError, match="prompt is empty"):
                engine.branches([], 1, SAMPLING, seed=0)
            with pytest.raises(CapacityError, match="shorten the prompt"):
                engine.branches(self.prompt(engine) * engine.context, 1, SAMPLING, seed=0)

    async def test_pressure_is_a_share(self) -> None:
        async with self.engine() as engine:
            branches = engine.branches(self.prompt(engine), 4, SAMPLING, seed=15)
            while any(branch.state == "live" for branch in branches):
                assert 0 <= engine.pressure <= 1
                await asyncio.sleep(0.001)

    @SOME_HEADS
    async def test_random_programs_end_and_leave_nothing_held(self, head: dict[str, Any]) -> None:
        async with self.engine(**head) as engine:
            prompts = [self.prompt(engine, text) for text in ("Add 1 and 2.", "x", "What is 12?")]
            branches = await run_programs(engine, prompts, self.seeds)
            assert len(branches) > len(self.seeds)
