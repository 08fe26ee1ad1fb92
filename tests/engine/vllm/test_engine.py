"""The engine over replicas that compute with a tiny model here: the contract, parity, and what is left when replicas die."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from engine import tiny_reflective
from engine.contract import HEADS, SAMPLING, Contract, assert_equal_steps, tokens_of
from engine.programs import drawn, released, run_programs
from engine.vllm.torch_replica import TorchReplica

from reflectgen.config import Sampling
from reflectgen.engine.branch import Branch
from reflectgen.engine.grading import grade_trace
from reflectgen.engine.vllm.engine import VLLMEngine
from reflectgen.engine.vllm.fleet import Fleet
from reflectgen.errors import ModelError, OptionError
from reflectgen.model.reflective import ReflectiveModel

PROMPTS = [tiny_reflective.TOKENIZER.encode(text) for text in ("Add 1 and 2.", "x", "What is 12?", "ab")]


@cache
def model() -> ReflectiveModel:
    return tiny_reflective.model()


def replica(name: str = "replica", **settings: Any) -> TorchReplica:
    return TorchReplica(model(), tiny_reflective.CONTEXT + 1, name=name, **settings)


def engine(*replicas: TorchReplica, **head: Any) -> VLLMEngine:
    return VLLMEngine(Fleet(replicas or [replica()]), tiny_reflective.grammar(**head))


def compare(branches: Sequence[Branch]) -> None:
    """What branches report is what a plain forward over them says."""
    for branch in branches:
        steps = grade_trace(model(), branch.tree.grammar, branch.tree.prompt, branch.ids, branch.forced)
        assert_equal_steps(branch.steps, steps[: len(branch.steps)])


class TestVLLM(Contract):
    seeds = range(8)

    def make(self, **head: Any) -> Any:
        return engine(**head)

    async def test_equal_seeds_give_equal_tokens_whatever_else_is_in_the_batch(self) -> None:
        """vLLM is exempt: equal seeds give equal distributions."""

    @pytest.mark.parametrize("head", [HEADS["at"], HEADS["at, end"]], ids=["at", "at, end"])
    async def test_random_programs_end_where_states_are_awaited_too(self, head: dict[str, Any]) -> None:
        async with self.engine(**head) as awaiting:
            compare(await run_programs(awaiting, PROMPTS, range(20, 28)))


async def test_a_step_is_one_request_at_pace_step_and_a_thinking_is_one_at_pace_free() -> None:
    one = replica()
    free = engine(one)
    [branch] = free.branches(PROMPTS[0], 1, SAMPLING, seed=1)
    await tokens_of([branch])
    assert len(one.asked) == 1
    assert one.asked[0].most == branch.tree.thinking_limit
    one.asked.clear()
    [branch] = free.branches(PROMPTS[0], 1, SAMPLING, seed=1, pace="step")
    await tokens_of([branch])
    assert branch.state in ("halted", "closed")
    stops = set(one.asked[0].stop)
    assert branch.ids[-1] in stops or branch.finish == "length"
    assert all(ask.ids == [*PROMPTS[0], *branch.ids][: len(ask.ids)] for ask in one.asked)
    await free.close()
    assert one.closed


async def test_a_step_is_one_request_for_a_head_that_reads_whole_steps() -> None:
    one = replica()
    pooled = engine(one, **HEADS["before, pooled"])
    [branch] = pooled.branches(PROMPTS[0], 1, SAMPLING, seed=1)
    await tokens_of([branch])
    behind = {len(PROMPTS[0]) + step.token_span[1] for step in branch.steps if step.token_span[1] < len(branch.ids)}
    assert {len(PROMPTS[0]), *behind} == {len(ask.ids) for ask in one.asked}
    compare([branch])
    await pooled.close()


async def test_a_step_that_goes_on_replays_what_is_written_of_it_and_counts_that_as_prefilled() -> None:
    one = replica()
    pooled = engine(one, **HEADS["before, pooled"])
    [branch] = pooled.branches(PROMPTS[0], 1, Sampling(max_tokens=8, temperature=0.0), seed=1)
    branch.allow(3)
    await tokens_of([branch])
    assert branch.state == "halted"
    assert branch.steps == []
    written, before = list(branch.ids), branch.tree.cost.tokens_prefilled
    one.asked.clear()
    branch.allow(2)
    await tokens_of([branch])
    assert [(ask.ids, ask.replay, ask.most) for ask in one.asked] == [(PROMPTS[0], written, 2)]
    assert branch.ids[:3] == written
    assert branch.tree.cost.tokens_prefilled - before == len(PROMPTS[0]) + 3
    assert branch.tree.cost.tokens_generated == 5
    await pooled.close()


async def test_a_step_that_begins_and_ends_with_the_last_token_is_read_apart() -> None:
    """An opening tag as the last token that fits: the step is that token alone, not those before it."""
    opening = tiny_reflective.WORDS.index("<think>")

    class Late(TorchReplica):
        def _token(self, logits: Any, ask: Any) -> int:
            return opening if len(self.drawn) == 2 else super()._token(logits, ask)

        def _row(self, ids: list[int], ask: Any) -> Any:
            self.drawn = ids[len(PROMPTS[0]) :]
            return super()._row(ids, ask)

    pooled = engine(Late(model(), tiny_reflective.CONTEXT + 1), **HEADS["before, pooled"])
    [branch] = pooled.branches(PROMPTS[0], 1, Sampling(max_tokens=3, temperature=0.0), seed=1)
    await tokens_of([branch])
    assert branch.ids[-1] == opening
    assert [step.token_span for step in branch.steps] == [(3, 3)]
    compare([branch])
    await pooled.close()


async def test_cost_counts_what_replicas_fed_and_what_branches_kept() -> None:
    counted = engine()
    branches = counted.branches(PROMPTS[0], 3, SAMPLING, seed=2)
    await tokens_of(branches)
    cost = branches[0].tree.cost
    assert cost.tokens_generated == sum(map(drawn, branches))
    assert cost.tokens_prefilled == 3 * len(PROMPTS[0])
    assert cost.forward_passes is None
    await counted.close()


async def test_a_cancelled_branch_is_aborted_at_once() -> None:
    one = replica()
    aborting = engine(one)
    branches = aborting.branches(PROMPTS[0], 5, SAMPLING, seed=3)
    await asyncio.sleep(0.01)
    assert one.open > 0
    for branch in branches:
        branch.cancel()
    await asyncio.wait_for(released(aborting), 5)
    assert one.open == 0
    await aborting.close()


@pytest.mark.parametrize("head", [HEADS["before"], HEADS["at, end"], HEADS["before, pooled"]], ids=["before", "at", "pooled"])
@pytest.mark.parametrize("pace", ["free", "step"])
async def test_a_replica_that_dies_loses_no_token_and_doubles_none(head: dict[str, Any], pace: Any) -> None:
    dying, steady = replica("dying", dies_after=30), replica("steady")
    surviving = engine(dying, steady, **head)
    branches = [branch for prompt in PROMPTS for branch in surviving.branches(prompt, 3, SAMPLING, 4, pace)]
    for branch in branches:
        async for _ in branch:
            pass
    for tree in {branch.tree for branch in branches}:
        assert tree.cost.tokens_generated == sum(map(drawn, tree.branches))
    await asyncio.gather(*(branch.answer() for branch in branches))
    assert {(branch.state, branch.error) for branch in branches} == {("finished", None)}
    assert list(surviving.fleet.live) == [steady]
    assert {failure.replica for failure in surviving.failures} == {"dying"}
    assert {failure.reason for failure in surviving.failures} == {"it was killed"}
    assert all(failure.branch for failure in surviving.failures)
    assert [note for note in surviving.notes if note.startswith("dying was lost ") and "(it was killed)" in note]
    compare(branches)
    await surviving.close()
    assert dying.closed
    assert steady.closed


async def test_with_the_last_replica_branches_become_records_and_new_ones_are_refused() -> None:
    doomed = engine(replica("a", dies_after=20), replica("b", dies_after=20))
    branches = doomed.branches(PROMPTS[0], 6, SAMPLING, seed=5)
    await asyncio.gather(*(branch.answer() for branch in branches))
    failed = [branch for branch in branches if branch.state == "failed"]
    assert failed
    assert all(branch.error is not None and "No vLLM replica answers any more" in branch.error for branch in failed)
    compare(branches)
    with pytest.raises(ModelError, match=r"a \(it was killed\), b \(it was killed\)"):
        doomed.branches(PROMPTS[0], 1, SAMPLING, seed=6)
    await doomed.close()


async def test_a_stream_that_breaks_on_a_living_replica_is_tried_again_there() -> None:
    class Hiccup(TorchReplica):
        async def alive(self) -> bool:
            self.left = None
            return True

    one = Hiccup(model(), tiny_reflective.CONTEXT, dies_after=5)
    mended = engine(one)
    branches = mended.branches(PROMPTS[0], 2, SAMPLING, seed=7)
    await tokens_of(branches)
    assert {branch.error for branch in branches} == {None}
    assert list(mended.fleet.live) == [one]
    assert mended.failures
    await mended.close()


async def test_a_replica_that_gives_nothing_fails_the_branch_in_the_end() -> None:
    class Empty(TorchReplica):
        async def draw(self, ask: Any) -> Any:
            for part in ():
                yield part

    empty = engine(Empty(model(), tiny_reflective.CONTEXT))
    [branch] = empty.branches(PROMPTS[0], 1, SAMPLING, seed=8)
    await branch.ended()
    assert branch.error == "vLLM gave no token in 4 tries: look at its own log."
    await empty.close()


async def test_given_traces_are_graded_on_another_replica_where_one_dies() -> None:
    grading = engine(replica("dying", dies_after=2), replica("steady"))
    [branch] = grading.branches(PROMPTS[0], 1, SAMPLING, seed=9)
    await tokens_of([branch])
    graded = await grading.score(PROMPTS[0], branch.ids)
    assert_equal_steps(graded, grade_trace(model(), grading.grammar, PROMPTS[0], branch.ids))
    assert await grading.score(PROMPTS[0], []) == ()
    await grading.close()


async def test_a_trace_without_a_prompt_is_graded_as_by_a_plain_pass() -> None:
    grading = engine()
    ids = tiny_reflective.TOKENIZER.encode("a and b.\n\nso c.\n\nthen</think>d")
    assert_equal_steps(await grading.score([], ids), grade_trace(model(), grading.grammar, [], ids))
    await grading.close()


async def test_branches_go_where_the_fewest_tokens_live_and_stay_where_their_prefix_is() -> None:
    left, right = replica("left"), replica("right")
    fleet = Fleet([left, right])
    fleet.live[left] = 100
    assert fleet.choose(10) is right
    assert fleet.choose(99, home=left) is right
    assert fleet.choose(101, home=left) is left
    fleet.live[left] = 102
    assert fleet.choose(101, home=left) is right


async def test_many_branches_are_spread_over_all_replicas() -> None:
    replicas = [replica(str(number)) for number in range(3)]
    spread = engine(*replicas)
    branches = [branch for prompt in PROMPTS * 3 for branch in spread.branches(prompt, 1, SAMPLING, seed=10)]
    await tokens_of(branches)
    assert all(one.asked for one in replicas)
    assert set(spread.fleet.live.values()) == {0}
    await spread.close()


async def test_a_temperature_that_vllm_refuses_is_refused_here() -> None:
    hot = engine()
    with pytest.raises(OptionError, match="temperatures up to 2"):
        hot.branches(PROMPTS[0], 1, Sampling(temperature=2.5), seed=0)
    await hot.close()
