"""A separate reward model gives the grades that a plain forward of it gives, and its reading is counted."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import pytest
import torch
from engine import tiny_reflective
from engine.contract import EVERY_HEAD, SAMPLING, TOLERANCE, Contract, assert_equal_steps, tokens_of
from engine.words import Words

from reflectgen.config import Sampling
from reflectgen.engine.branch import Branch
from reflectgen.engine.grading import grade_trace
from reflectgen.engine.local.attention import register
from reflectgen.engine.local.engine import LocalEngine
from reflectgen.engine.naive import NaiveEngine
from reflectgen.engine.separate import CACHES, SeparateEngine
from reflectgen.errors import ModelError
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.steps import TokenTable

PROMPT = tiny_reflective.TOKENIZER.encode("Add 1 and 2.")
TABLE = TokenTable(tiny_reflective.TOKENIZER)


class Watched(SeparateEngine):
    """Says what is held and what waits, in both engines together."""

    engine: Any

    @property
    def held(self) -> int:
        return int(self.engine.held)

    @property
    def waiting(self) -> int:
        return int(self.engine.waiting) + self.grading


@cache
def policy(slots: bool = True) -> ReflectiveModel:
    return tiny_reflective.model("qwen2", has_head=False, attn_implementation=register() if slots else "eager")


@cache
def reward_model() -> ReflectiveModel:
    """Another architecture than the policy's, with sliding windows."""
    return tiny_reflective.model("mistral", attn_implementation="eager")


def engine(**head: Any) -> Watched:
    local = LocalEngine(policy(), tiny_reflective.grammar(separate=True, **head), kv_budget=2**20)
    return Watched(local, reward_model(), TABLE)


def naive() -> NaiveEngine:
    return NaiveEngine(policy(slots=False), tiny_reflective.grammar(separate=True), tiny_reflective.CONTEXT)


class TestSeparate(Contract):
    seeds = range(12)

    def make(self, **head: Any) -> Any:
        return engine(**head)


def check(branch: Branch) -> None:
    """Grades are the reward model's, log-probs and confidences the policy's, each from one plain forward."""
    trace = branch.tree.prompt, branch.ids, branch.forced
    written = grade_trace(policy(slots=False), branch.tree.grammar, *trace)
    graded = grade_trace(reward_model(), branch.tree.grammar, *trace)
    assert [step.token_span for step in branch.steps] == [step.token_span for step in graded]
    for step, ours, theirs in zip(branch.steps, written, graded, strict=True):
        assert (step.logprob, step.confidence) == pytest.approx((ours.logprob, ours.confidence), abs=TOLERANCE)
        assert (step.logit, step.score) == pytest.approx((theirs.logit, theirs.score), abs=TOLERANCE)


@EVERY_HEAD
async def test_grades_are_the_reward_model_s_and_the_rest_is_the_policy_s(head: dict[str, Any]) -> None:
    separate = engine(**head)
    parents = separate.branches(PROMPT, 6, SAMPLING, seed=1, pace="step")
    children = []
    for parent in parents:
        await anext(parent, None)
        children += parent.fork(2)
        parent.force("Wait. ")
    for child in children:
        [step async for step in child]
    every = [*parents, *children]
    await asyncio.gather(*(branch.answer() for branch in every))
    assert sum(len(branch.steps) for branch in every) > 30
    for branch in every:
        check(branch)
        assert_equal_steps(branch.steps, await separate.score(PROMPT, branch.ids, branch.forced))
    await separate.close()


async def test_what_is_drawn_does_not_depend_on_who_grades() -> None:
    local, over_local = LocalEngine(policy(), tiny_reflective.grammar(has_head=False), kv_budget=2**20), engine()
    over_naive = SeparateEngine(naive(), reward_model(), TABLE)
    grown, drawn = [], []
    for each in (local, over_local, over_naive):  # one after the other, since they share the models
        grown.append(each.branches(PROMPT, 6, SAMPLING, seed=2))
        drawn.append(await tokens_of(grown[-1]))
        await each.close()
    assert drawn[0] == drawn[1] == drawn[2]
    for one, other in zip(*grown[1:], strict=True):
        assert_equal_steps(one.steps, other.steps)


async def test_each_token_is_read_once_and_each_step_is_a_pass() -> None:
    separate, plain = engine(), LocalEngine(policy(), tiny_reflective.grammar(has_head=False), kv_budget=2**20)
    costs = []
    for each in (separate, plain):
        [branch] = each.branches(PROMPT, 1, SAMPLING, seed=5)
        await branch.ended()
        costs.append(branch.tree.cost)
        steps = branch.steps
    assert len(steps) > 1
    last = len(PROMPT) + steps[-1].token_span[1] - 1  # at offset -1 the step token itself is not read
    assert (costs[0].tokens_scored, costs[1].tokens_scored) == (last, 0)
    assert costs[0].forward_passes == (costs[1].forward_passes or 0) + len(steps)
    assert costs[0].tokens_generated == costs[1].tokens_generated
    await separate.close()
    await plain.close()


async def test_branches_of_a_tree_share_what_was_read_of_their_prompt() -> None:
    separate = engine()
    branches = separate.branches(PROMPT, CACHES + 8, Sampling(max_tokens=3), seed=4)
    await tokens_of(branches)
    own = [len(PROMPT) + branch.steps[-1].token_span[1] - 1 for branch in branches if branch.steps]
    assert branches[0].tree.cost.tokens_scored <= sum(own) - (len(own) - 1) * (len(PROMPT) - 1)
    await separate.close()


async def test_a_branch_draws_nothing_while_it_is_graded_and_strategies_wait_for_it() -> None:
    separate = engine()
    [branch] = separate.branches(PROMPT, 1, SAMPLING, seed=3)
    while branch.state != "grading":
        await asyncio.sleep(0)
    length, score = len(branch.ids), branch.score
    step = await anext(branch)
    assert (step.token_span[1], score) == (length, 0.0)
    assert step.logit is not None
    await separate.close()


async def test_an_error_while_grading_fails_the_branch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    separate = engine()
    first, second = separate.branches(PROMPT, 2, SAMPLING, seed=3)
    whole = SeparateEngine._read

    def broken(self: SeparateEngine, branch: Branch, *rest: Any) -> Any:
        if branch is first:
            raise RuntimeError("out of memory")
        return whole(self, branch, *rest)

    monkeypatch.setattr(SeparateEngine, "_read", broken)
    assert [await first.ended(), await second.ended()] == ["failed", "closed"]
    assert first.error == "RuntimeError: out of memory"
    await separate.close()


def test_the_context_is_what_both_can_read() -> None:
    wrapped = naive()
    wrapped.context = 10**6
    assert SeparateEngine(wrapped, reward_model(), TABLE).context == wrapped.context == reward_model().context


def test_a_reward_model_that_cannot_grade_these_tokens_is_refused() -> None:
    with pytest.raises(ModelError, match="The reward model has no SPRM head"):
        SeparateEngine(naive(), policy(), TABLE)
    other = TokenTable(Words([*tiny_reflective.WORDS[:-1], "[other]"]))
    with pytest.raises(ModelError, match="has another vocabulary than the model that writes"):
        SeparateEngine(naive(), reward_model(), other)


@torch.inference_mode()
def test_the_reward_model_is_another_network_than_the_policy() -> None:
    ids = torch.tensor([PROMPT])
    assert not torch.allclose(policy(slots=False)(ids).logits, reward_model()(ids).logits)
