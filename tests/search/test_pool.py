"""The pool: budgets are kept and shared out, every event is noted with its reason, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from search.rig import CLOSE, REPLY, STEP, play, request

from reflectgen.engine.branch import Branch, Pace
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.search.pool import Pool

LONG = play("a", "4", *[1.0] * 20)
SHORT = play("b", "5", 2.0)


def grow(scripts: Sequence[Script], n: int = 2, pace: Pace = "free", tagged: bool = True, **settings: Any) -> Pool:
    engine = ScriptedEngine(scripts) if tagged else ScriptedEngine(scripts, tags=None)
    return Pool(engine, request(engine, **{"k": n, **settings}), n, pace)


def lengths(pool: Pool) -> list[int]:
    return [len(branch.ids) for branch in pool.branches]


def told(pool: Pool) -> list[tuple[str, str, str]]:
    return [(event.branch, event.what, event.why) for event in pool.trace]


async def test_thinkings_get_equal_parts_and_an_eighth_is_kept_for_the_answers() -> None:
    with grow([LONG], budget=40) as pool:
        await pool.think(pool.branches)
        assert (lengths(pool), pool.left) == ([18, 17], 5)
        await pool.answer(pool.branches)
        assert (lengths(pool), pool.left) == ([18 + CLOSE + 5, 17 + CLOSE], 0)


async def test_without_tags_nothing_is_kept_for_answers() -> None:
    with grow([LONG], tagged=False, budget=40) as pool:
        await pool.think(pool.branches)
        assert (lengths(pool), pool.left) == ([20, 20], 0)
    with grow([SHORT], tagged=False, budget=40) as pool:
        await pool.think_and_answer(pool.branches)
        assert [branch.state for branch in pool.branches] == ["finished", "finished"]


async def test_what_a_short_thinking_leaves_goes_to_the_others() -> None:
    with grow([SHORT, LONG], budget=40) as pool:
        await pool.think(pool.branches)
        assert lengths(pool) == [STEP + CLOSE, 35 - STEP - CLOSE]


async def test_where_too_little_is_left_the_first_ones_get_it() -> None:
    with grow([LONG], n=3, tagged=False, budget=4) as pool:
        await pool.think(pool.branches)
        assert lengths(pool) == [2, 1, 1]
    with grow([SHORT], n=3, budget=4 * STEP + 1) as pool:
        await pool.think(pool.branches)
        assert (lengths(pool), pool.left) == ([4, 4, 4], 1)
        await pool.answer(pool.branches)
        assert lengths(pool) == [5, 4, 4]


async def test_without_a_budget_nothing_is_short() -> None:
    with grow([LONG]) as pool:
        await pool.think_and_answer(pool.branches)
        assert pool.left is None
        assert lengths(pool) == [20 * STEP + CLOSE + REPLY] * 2


async def test_a_step_waits_for_the_slowest() -> None:
    slow = Script("a b c d e f g.\n\nb.\n\n</think>")
    with grow([slow, SHORT], pace="step") as pool:
        assert await pool.step(pool.thinking)
        assert [(len(branch.steps), branch.state) for branch in pool.branches] == [(1, "halted"), (1, "halted")]
        assert await pool.step(pool.thinking)
        assert [branch.state for branch in pool.branches] == ["halted", "closed"]
        assert (pool.thinking, pool.closed) == ([pool.branches[0]], [pool.branches[1]])
        assert await pool.step(pool.thinking)
        assert not await pool.step(pool.thinking)


async def test_a_step_is_not_taken_where_the_budget_is_spent() -> None:
    with grow([LONG], pace="step", budget=8) as pool:
        assert await pool.step(pool.thinking)
        assert await pool.step(pool.thinking)
        assert lengths(pool) == [4, 3]
        assert not await pool.step(pool.thinking)


async def test_forks_get_their_part_of_the_budget_too() -> None:
    with grow([LONG, SHORT], n=1, pace="step", budget=24) as pool:
        await pool.step(pool.thinking)
        pool.fork(pool.branches[0], 2)
        await pool.think(pool.branches)
        assert pool.left == 3
        assert lengths(pool) == [STEP + 9, STEP + 8, STEP + CLOSE]


async def test_of_equal_ones_the_first_is_kept() -> None:
    with grow([SHORT, LONG], n=4, pace="step") as pool:
        await pool.step(pool.thinking)
        assert [branch.id for branch in pool.distinct(pool.branches)] == ["0", "1"]
        assert [branch.state for branch in pool.branches] == ["halted", "halted", "cancelled", "cancelled"]
        assert told(pool)[4:] == [
            ("2", "cancelled", "wrote what branch 0 wrote"),
            ("3", "cancelled", "wrote what branch 1 wrote"),
        ]


async def test_every_event_is_told_with_its_reason_and_the_tokens_by_then() -> None:
    broken = play("c", "6", 1.0, fails_at=2)
    with grow([SHORT, broken], pace="step") as pool:
        await pool.step(pool.thinking)
        pool.fork(pool.branches[0], 1)
        pool.cancel([pool.branches[2]], "for a reason")
        pool.cancel([pool.branches[2]], "for another")
        pool.add(1)
        pool.force(pool.branches[0], " so", "too short")
        await pool.step(pool.thinking)
        result = await pool.conclude("mine", pool.candidates)
    assert [(event.branch, event.what, event.step, event.why) for event in result.trace] == [
        ("0", "started", 0, ""),
        ("1", "started", 0, ""),
        ("1", "failed", 0, "The script fails after 2 tokens."),
        ("0.0", "forked", 1, ""),
        ("0.0", "cancelled", 1, "for a reason"),
        ("2", "started", 0, ""),
        ("0", "forced", 1, "too short"),
        ("0", "closed", 1, "stop"),
        ("0", "answered", 1, ""),
        ("2", "answered", 1, ""),
    ]
    tokens = [event.tokens for event in result.trace]
    assert tokens == sorted(tokens) and tokens[3] == STEP + 2
    assert result.strategy == "mine"
    assert {trajectory.id: trajectory.finish for trajectory in result.trajectories} == {
        "0": "stop", "1": "failed", "0.0": "cancelled", "2": "length",
    }  # fmt: skip


async def test_only_under_a_budget_answers_wait_for_the_slowest_thinking() -> None:
    free, rationed = [("0", "closed"), ("0", "answered")], [("0", "closed"), ("1", "closed")]
    for budget, first in ((None, free), (200, rationed)):
        with grow([SHORT, LONG], budget=budget) as pool:
            await pool.think_and_answer(pool.branches)
            assert [(event.branch, event.what) for event in pool.trace[2:4]] == first


async def test_the_observer_sees_whatever_happens_to_a_branch() -> None:
    seen: list[tuple[str, str]] = []

    def observe(branch: Branch) -> None:
        seen.append((branch.id, branch.state))

    with grow([SHORT], n=1, pace="step", observe=observe) as pool:
        await pool.step(pool.thinking)
        pool.cancel(pool.fork(pool.branches[0], 1), "one too many")
        await pool.step(pool.thinking)
        await pool.answer(pool.closed)
        assert [branch.why for branch in pool.branches] == ["", "one too many"]
        pool.add(1)
    assert seen == [
        ("0", "live"), ("0", "halted"), ("0.0", "live"), ("0.0", "cancelled"),
        ("0", "closed"), ("0", "finished"), ("1", "live"),
    ]  # fmt: skip


async def test_all_candidates_answer_or_the_chosen_one_alone() -> None:
    for answer, replies in (("all", ["\\boxed{4}", "\\boxed{5}"]), ("chosen", ["", "\\boxed{5}"])):
        with grow([LONG, SHORT], answer=answer) as pool:
            await pool.think(pool.branches)
            result = await pool.conclude("mine", pool.branches)
        assert [trajectory.reply for trajectory in result.trajectories] == replies
        assert (result.answer, result.choice.index, result.choice.answer) == ("5", 1, "5")


async def test_only_candidates_may_be_chosen_and_answer() -> None:
    with grow([LONG, SHORT], n=4) as pool:
        await pool.think(pool.branches)
        result = await pool.conclude("mine", [pool.branches[2], pool.branches[0]])
    assert (result.answer, result.choice.index) == ("4", 0)
    assert [trajectory.reply == "" for trajectory in result.trajectories] == [False, True, False, True]
    with grow([LONG, SHORT]) as pool:
        assert (await pool.conclude("mine", [])).choice.index is None


@pytest.mark.parametrize(("has_head", "order"), [(True, "1302"), (False, "0213")])
async def test_votes_rank_growing_thinkings_by_score_or_without_a_head_by_log_prob(has_head: bool, order: str) -> None:
    scripts = [play("a", "4", 1.0, logprobs=(-0.1,)), play("b", "4", 2.0, logprobs=(-0.2,))]
    engine = ScriptedEngine(scripts, has_head=has_head)
    with Pool(engine, request(engine, select="majority"), 4, "step") as pool:
        await pool.step(pool.thinking)
        assert [branch.id for branch in pool.ranked(pool.branches)] == list(order)


async def test_an_error_in_the_strategy_frees_every_branch() -> None:
    engine = ScriptedEngine([LONG])
    with pytest.raises(RuntimeError, match="the strategy's own"), Pool(engine, request(engine), 3, "step") as pool:
        await pool.step(pool.thinking)
        pool.fork(pool.branches[0], 2)
        raise RuntimeError("the strategy's own")
    assert engine.held == 0
    assert {branch.state for branch in pool.branches} == {"cancelled"}


async def test_a_search_that_is_cancelled_frees_every_branch() -> None:
    engine = ScriptedEngine([LONG])

    async def search() -> None:
        with Pool(engine, request(engine), 3) as pool:
            await pool.think_and_answer(pool.branches)

    task = asyncio.create_task(search())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert engine.held == 3
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.held == 0
