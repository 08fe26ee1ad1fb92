"""The state machine of a branch, its tokens drawn by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from engine.rig import (
    BANG,
    CLOSE,
    DOT,
    EOS,
    LESS,
    LONG_TAGS,
    MORE,
    MORE_BREAK,
    OPEN,
    SLASH,
    A,
    B,
    C,
    T,
    draw,
    notes,
    plant,
    spans,
    truth,
)

from reflectgen.engine.branch import Branch
from reflectgen.errors import CapacityError, OptionError


async def settled() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def whole(text: str) -> str:
    return text


# -- steps ---------------------------------------------------------------------------------------------------------


def test_steps_carry_span_text_logit_and_means() -> None:
    [branch] = plant()
    assert draw(branch, [A, B, DOT, C, DOT], logit=0.0) == [DOT, DOT]
    first, second = branch.steps
    assert (first.text, first.token_span, first.score, first.logit) == ("ab.\n\n", (0, 3), 0.5, 0.0)
    assert first.logprob == pytest.approx(-(3 + 4 + 6) / 3)
    assert first.confidence == pytest.approx((3 + 4 + 6) / 3)
    assert (second.text, second.token_span) == ("c.\n\n", (3, 5))
    assert branch.logprob == pytest.approx(-(3 + 4 + 6 + 5 + 6) / 5)
    assert branch.confidence == pytest.approx((3 + 4 + 6 + 5 + 6) / 5)


def test_only_the_first_of_a_run_of_step_tokens_ends_a_step_and_none_begins_a_thinking() -> None:
    [branch] = plant()
    assert draw(branch, [DOT, A, DOT, BANG, DOT, B, BANG]) == [DOT, BANG]
    assert spans(branch) == [(0, 3), (3, 7)] == truth(branch)


def test_the_running_score_is_the_geometric_mean() -> None:
    [branch] = plant()
    assert branch.score == 0.0
    draw(branch, [A, DOT], logit=0.0)
    draw(branch, [B, DOT], logit=2.0)
    assert branch.score == pytest.approx((0.5 * 0.8807970779778823) ** 0.5)


def test_without_a_head_steps_have_no_score_and_nothing_is_read() -> None:
    for offset in (-1, 0):
        [branch] = plant(has_head=False, offset=offset)
        assert draw(branch, [A, DOT, B, CLOSE]) == []
        assert branch.score is None
        assert [(step.score, step.logit) for step in branch.steps] == [(None, None)]
        assert branch.awaiting is None


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([OPEN, A, DOT], [(1, 3)]),
        ([A, OPEN, B, DOT], [(2, 4)]),
        ([DOT, OPEN, DOT, B, DOT], [(2, 5)]),
        ([OPEN, A, OPEN, B, DOT], [(1, 5)]),
        ([A, DOT, OPEN, B, DOT], [(0, 2), (2, 5)]),
    ],
)
def test_an_opening_tag_begins_the_thinking_where_it_is_the_first_and_no_step_was(tokens: list[int], expected: Any) -> None:
    [branch] = plant()
    draw(branch, tokens)
    assert spans(branch) == expected == truth(branch)


def test_tags_of_several_tokens() -> None:
    [branch] = plant(tags=LONG_TAGS)
    draw(branch, [LESS, T, MORE_BREAK, A, DOT, B, SLASH, T])
    assert branch.state == "live"
    draw(branch, [MORE_BREAK])
    assert branch.state == "closed"
    trajectory = branch.trajectory(whole)
    assert (trajectory.thinking, trajectory.tokens, trajectory.finish) == ("a.\n\nb", 6, "stop")
    assert spans(branch) == [(3, 5)] == truth(branch)


def test_a_closing_tag_of_several_tokens_does_not_overlap_the_opening_one() -> None:
    [branch] = plant(tags=("<t", "t>"))
    draw(branch, [A, LESS, T, MORE, B])
    assert branch.state == "live"
    draw(branch, [T, MORE])
    assert branch.state == "closed"
    assert spans(branch) == truth(branch)


# -- the ends of a thinking ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [CLOSE, EOS])
def test_a_thinking_without_steps_is_graded_at_what_closed_it(end: int) -> None:
    [branch] = plant()
    assert draw(branch, [A, B, end], logit=2.0) == [end]
    assert branch.state == "closed"
    assert branch.finish == "stop"
    assert spans(branch) == [(0, 3)] == truth(branch)
    assert branch.steps[0].logit == 2.0
    assert branch.logprob == pytest.approx(-(3 + 4) / 2)


@pytest.mark.parametrize("last", [A, OPEN, DOT])
def test_a_thinking_without_steps_is_graded_at_its_last_token_where_it_is_truncated(last: int) -> None:
    [branch] = plant(max_tokens=2)
    assert draw(branch, [DOT, last], logit=2.0) == [last]
    assert (branch.state, branch.finish) == ("closed", "length")
    assert spans(branch) == truth(branch)
    assert branch.steps[0].logit == 2.0


def test_the_official_rule_grades_no_empty_thinking() -> None:
    [branch] = plant(rule="official")
    assert draw(branch, [A, CLOSE]) == []
    assert branch.score == 0.0
    assert branch.steps == []


@pytest.mark.parametrize("pace", ["free", "step"])
@pytest.mark.parametrize("offset", [-1, 0])
def test_truncation_on_a_step_token_closes_it_whatever_the_pace(pace: str, offset: int) -> None:
    [branch] = plant(max_tokens=3, pace=pace, offset=offset)
    draw(branch, [A, B, DOT])
    if offset == 0:
        assert (branch.state, branch.awaiting) == ("live", 4)
        branch.settle(1.0)
    assert (branch.state, branch.finish) == ("closed", "length")
    assert spans(branch) == [(0, 3)]


# -- offset 0 ------------------------------------------------------------------------------------------------------


def test_at_offset_0_a_step_waits_for_the_state_at_its_token() -> None:
    [branch] = plant(offset=0)
    assert draw(branch, [A, DOT]) == []
    assert (branch.state, branch.awaiting, branch.steps) == ("live", 3, [])
    branch.settle(1.5)
    assert (branch.state, branch.awaiting) == ("live", None)
    assert branch.steps[0].logit == 1.5
    draw(branch, [B, CLOSE])
    assert (branch.state, branch.awaiting) == ("closed", None)


def test_at_offset_0_pace_step_halts_when_settled() -> None:
    [branch] = plant(offset=0, pace="step")
    draw(branch, [A, DOT])
    assert branch.state == "live"
    branch.settle(1.0)
    assert branch.state == "halted"


def test_how_many_tokens_it_would_draw() -> None:
    [branch] = plant(offset=0, pace="step", max_tokens=9)
    assert branch.drawable == 9
    branch.allow(4)
    assert branch.drawable == 4
    draw(branch, [A])
    assert branch.drawable == 3
    draw(branch, [DOT])
    assert branch.drawable == 0, "it halts when its step is graded"
    branch.settle(0.0)
    branch.allow(None)
    assert branch.drawable == 7


def test_at_offset_0_an_allowance_that_ends_on_a_step_halts_when_settled() -> None:
    [branch] = plant(offset=0)
    branch.allow(2)
    draw(branch, [A, DOT])
    assert branch.state == "live"
    branch.settle(1.0)
    assert (branch.state, len(branch.steps)) == ("halted", 1)


@pytest.mark.parametrize("end", [CLOSE, EOS])
def test_at_offset_0_an_end_is_graded_when_settled(end: int) -> None:
    [branch] = plant(offset=0)
    draw(branch, [A, end])
    assert (branch.state, branch.awaiting) == ("live", 3)
    branch.settle(1.0)
    assert (branch.state, spans(branch)) == ("closed", [(0, 2)])


def test_allow_0_lets_an_awaited_state_come_in() -> None:
    [branch] = plant(offset=0)
    draw(branch, [A, DOT])
    branch.allow(0)
    assert branch.state == "live"
    branch.settle(1.0)
    assert (branch.state, spans(branch)) == ("halted", [(0, 2)])


@pytest.mark.parametrize("pace", ["free", "step"])
async def test_a_step_that_is_awaited_keeps_its_span_when_text_is_forced_behind_it(pace: str) -> None:
    [branch] = plant(offset=0, pace=pace)
    draw(branch, [A, DOT])
    branch.force("bb")
    assert (branch.state, branch.awaiting) == ("live", 3)
    branch.settle(1.0)
    assert branch.state == ("live" if pace == "free" else "halted")
    assert spans(branch) == [(0, 2)]


@pytest.mark.parametrize("pace", ["free", "step"])
async def test_a_step_that_is_awaited_keeps_its_span_when_the_answer_begins(pace: str) -> None:
    [branch] = plant(offset=0, pace=pace)
    draw(branch, [A, DOT])
    answer = asyncio.create_task(branch.answer())
    await settled()
    assert (branch.state, branch.awaiting) == ("live", 3)
    branch.settle(1.0)
    assert branch.state == "live"
    draw(branch, [C, EOS])
    assert await answer == "c"
    assert spans(branch) == [(0, 2)] == truth(branch)


async def test_the_answer_waits_for_an_end_that_is_awaited() -> None:
    [branch] = plant(offset=0)
    draw(branch, [A, CLOSE])
    answer = asyncio.create_task(branch.answer())
    await settled()
    branch.settle(1.0)
    assert branch.state == "live"
    draw(branch, [C, EOS])
    assert await answer == "c"
    assert spans(branch) == [(0, 2)]


def test_forcing_drops_an_end_that_is_awaited() -> None:
    [branch] = plant(offset=0)
    draw(branch, [A, EOS])
    branch.force("b")
    assert (branch.state, branch.awaiting, branch.ids) == ("live", None, [A, B])
    draw(branch, [DOT])
    branch.settle(1.0)
    assert spans(branch) == [(0, 3)] == truth(branch)


# -- pace and iteration --------------------------------------------------------------------------------------------


async def test_pace_free_queues_steps() -> None:
    [branch] = plant()
    draw(branch, [A, DOT, B, DOT, CLOSE])
    assert [step.text async for step in branch] == ["a.\n\n", "b.\n\n"]
    assert [step async for step in branch] == []


async def test_pace_step_halts_until_the_next_step_is_asked_for() -> None:
    [branch] = plant(pace="step")
    draw(branch, [A, DOT])
    assert branch.state == "halted"
    assert (await anext(branch)).text == "a.\n\n"
    assert branch.state == "halted"
    following = asyncio.create_task(anext(branch))
    await settled()
    assert branch.state == "live"
    assert notes(branch).woken == [branch]
    draw(branch, [B, DOT])
    assert (await following).text == "b.\n\n"
    assert branch.state == "halted"


async def test_iteration_ends_when_the_branch_does() -> None:
    for end in (lambda branch: branch.cancel(), lambda branch: branch.fail("broken"), lambda branch: draw(branch, [EOS])):
        [branch] = plant()
        draw(branch, [A, DOT])
        steps = asyncio.create_task(collect(branch))
        await settled()
        assert not steps.done()
        end(branch)
        assert await steps == ["a.\n\n"]


async def collect(branch: Branch) -> list[str]:
    return [step.text async for step in branch]


async def test_iteration_does_not_wait_for_a_reply() -> None:
    [branch] = plant()
    draw(branch, [A, DOT])
    answer = asyncio.create_task(branch.answer())
    await settled()
    assert await collect(branch) == ["a.\n\n"]
    assert branch.state == "live"
    draw(branch, [EOS])
    assert await answer == ""


async def test_a_waiter_that_is_cancelled_harms_nobody() -> None:
    [branch] = plant()
    gone, stays = asyncio.create_task(collect(branch)), asyncio.create_task(collect(branch))
    await settled()
    gone.cancel()
    draw(branch, [A, DOT, EOS])
    assert await stays == ["a.\n\n"]


# -- allow ---------------------------------------------------------------------------------------------------------


def test_an_allowance_halts_in_mid_step_and_the_next_one_goes_on() -> None:
    [branch] = plant()
    branch.allow(2)
    draw(branch, [A, B])
    assert branch.state == "halted"
    branch.allow(1)
    assert branch.state == "live"
    assert notes(branch).woken == [branch]
    draw(branch, [DOT])
    assert (branch.state, spans(branch)) == ("halted", [(0, 3)])
    branch.allow(None)
    draw(branch, [A] * 10)
    assert branch.state == "live"


async def test_no_allowance_halts_at_once_and_voids_what_is_computed() -> None:
    [branch] = plant()
    draw(branch, [A])
    branch.allow(0)
    assert (branch.state, branch.epoch) == ("halted", 1)
    assert await collect(branch) == []
    assert await branch.ended() == "halted"


async def test_pace_step_with_an_allowance_is_resumed_by_asking() -> None:
    [branch] = plant(pace="step")
    branch.allow(1)
    draw(branch, [A])
    branch.allow(5)
    assert branch.state == "halted"
    following = asyncio.create_task(anext(branch))
    await settled()
    draw(branch, [DOT])
    assert (await following).token_span == (0, 2)


async def test_an_allowance_holds_in_the_reply() -> None:
    [branch] = plant()
    draw(branch, [A, CLOSE])
    branch.allow(1)
    answer = asyncio.create_task(branch.answer())
    await settled()
    draw(branch, [B])
    assert (await answer, branch.state) == ("b", "halted")
    branch.allow(2)
    answer = asyncio.create_task(branch.answer())
    await settled()
    draw(branch, [C, EOS])
    assert (await answer, branch.state) == ("bc", "finished")


async def test_no_allowance_lets_no_reply_begin() -> None:
    [branch] = plant()
    branch.allow(2)
    draw(branch, [A, CLOSE])
    assert branch.state == "closed"
    assert await branch.answer() == ""
    assert branch.state == "halted"
    branch.allow(None)
    assert branch.state == "live"


def test_forcing_a_closed_branch_open_gives_no_token_beyond_the_allowance() -> None:
    [branch] = plant()
    branch.allow(2)
    draw(branch, [A, CLOSE])
    branch.force("b")
    assert (branch.state, branch.ids) == ("halted", [A, B])


def test_a_negative_allowance_is_refused() -> None:
    [branch] = plant()
    with pytest.raises(OptionError, match="-1 tokens"):
        branch.allow(-1)


# -- fork ----------------------------------------------------------------------------------------------------------


async def test_a_fork_shares_the_steps_delivered_so_far() -> None:
    [branch] = plant()
    draw(branch, [OPEN, A, DOT, B, DOT, C])
    await anext(branch)
    one, two = branch.fork(2)
    assert one.ids == two.ids == [OPEN, A, DOT]
    assert one.logprobs == [-1.0, -3.0, -6.0]
    assert one.steps == branch.steps[:1]
    assert (one.id, two.id, one.parent, one.state) == ("0.0", "0.1", branch, "live")
    assert notes(branch).woken == [one, two]
    assert branch.tree.branches == [branch, one, two]
    draw(one, [B, DOT])
    assert (await anext(one)).token_span == (3, 5)
    assert len(branch.ids) == 6
    assert one.trajectory(whole).thinking == "a.\n\nb.\n\n"


def test_a_fork_at_an_earlier_step_or_at_the_prompt() -> None:
    [branch] = plant()
    draw(branch, [OPEN, A, DOT, B, DOT])
    assert [branch.fork(1, at=at)[0].ids for at in (2, 1, 0)] == [[OPEN, A, DOT, B, DOT], [OPEN, A, DOT], []]
    [fresh] = branch.fork(1, at=0)
    draw(fresh, [OPEN, A, DOT])
    assert spans(fresh) == [(1, 3)] == truth(fresh)
    for at in (-1, 3):
        with pytest.raises(OptionError, match="it has 2 steps"):
            branch.fork(1, at=at)


async def test_forks_of_branches_that_are_closed_cancelled_or_answering() -> None:
    for end in ("close", "cancel", "answer"):
        [branch] = plant()
        draw(branch, [A, DOT, B])
        if end == "close":
            draw(branch, [CLOSE])
        elif end == "cancel":
            branch.cancel()
        else:
            answer = asyncio.create_task(branch.answer())
            await settled()
            answer.cancel()
        [child] = branch.fork(1, at=1)
        assert (child.state, child.ids, child.finish) == ("live", [A, DOT], None)
        draw(child, [C, DOT])
        assert spans(child) == [(0, 2), (2, 4)]


def test_an_end_that_was_graded_is_no_step_to_fork_at() -> None:
    [branch] = plant()
    draw(branch, [A, CLOSE])
    assert branch.fork(1)[0].ids == []
    with pytest.raises(OptionError, match="it has 0 steps"):
        branch.fork(1, at=1)


def test_a_fork_whose_steps_fill_the_limit_is_closed() -> None:
    [branch] = plant(max_tokens=2, pace="step")
    draw(branch, [A, DOT])
    [child] = branch.fork(1, at=1)
    assert (child.state, child.finish) == ("closed", "length")
    assert notes(branch).woken == []
    [fresh] = branch.fork(1, at=0)
    assert fresh.state == "live"


def test_a_fork_keeps_the_forced_spans_of_what_it_shares() -> None:
    [branch] = plant()
    branch.force("ab")
    draw(branch, [C, DOT])
    branch.force("c")
    assert branch.forced == [(0, 2), (4, 5)]
    [child] = branch.fork(1, at=1)
    assert child.forced == [(0, 2)]


def test_keys_differ_between_branches_prompts_and_seeds_alone() -> None:
    branches = plant(50) + plant(50, seed=1)
    children = [child for branch in branches for child in branch.fork(3, at=0)]
    keys = [branch.key for branch in branches + children]
    assert len(set(keys)) == len(keys) == 400
    assert [branch.key for branch in plant(50)] == keys[:50]


# -- force ---------------------------------------------------------------------------------------------------------


def test_forced_text_is_recorded_and_ends_no_step() -> None:
    [branch] = plant()
    draw(branch, [A])
    branch.force("b.\n\n")
    assert (branch.state, branch.ids, branch.forced, branch.steps) == ("live", [A, B, DOT], [(1, 3)], [])
    assert notes(branch).woken == [branch]
    draw(branch, [BANG, C, DOT])
    assert spans(branch) == [(0, 6)] == truth(branch)
    assert branch.steps[0].logprob == pytest.approx(-(3 + 7 + 5 + 6) / 4)
    assert branch.tree.cost.tokens_generated == 4


def test_forcing_a_halted_branch_leaves_it_halted() -> None:
    [branch] = plant(pace="step")
    draw(branch, [A, DOT])
    branch.force("b")
    assert (branch.state, branch.ids) == ("halted", [A, DOT, B])
    assert notes(branch).woken == []


@pytest.mark.parametrize("pace", ["free", "step"])
@pytest.mark.parametrize("end", [CLOSE, EOS])
def test_forcing_a_closed_branch_replaces_what_closed_it(pace: str, end: int) -> None:
    [branch] = plant(pace=pace)
    draw(branch, [A, end], logit=1.0)
    assert len(branch.steps) == 1
    branch.force("b")
    assert (branch.ids, branch.steps, branch.finish) == ([A, B], [], None)
    assert branch.state == ("live" if pace == "free" else "halted")


def test_forcing_a_truncated_branch_leaves_it_truncated() -> None:
    [branch] = plant(max_tokens=2)
    draw(branch, [A, B])
    branch.force("ccc")
    assert branch.ids == [A, B]
    assert (branch.state, branch.awaiting) == ("live", 2)
    branch.settle(1.0)
    assert (branch.state, branch.finish, spans(branch)) == ("closed", "length", [(0, 2)])


def test_forced_text_is_cut_at_the_token_limit() -> None:
    [branch] = plant(max_tokens=3)
    draw(branch, [A, DOT])
    branch.force("bbb")
    assert (branch.ids, branch.state, branch.finish) == ([A, DOT, B], "closed", "length")
    assert spans(branch) == [(0, 2)] == truth(branch)


@pytest.mark.parametrize(("offset", "awaited"), [(-1, 3), (0, 4)])
@pytest.mark.parametrize("state", ["live", "halted"])
def test_a_forced_closing_tag_closes_and_an_end_without_steps_is_graded(offset: int, awaited: int, state: str) -> None:
    [branch] = plant(offset=offset)
    draw(branch, [A, B])
    if state == "halted":
        branch.allow(0)
    branch.force("</think>")
    assert (branch.state, branch.awaiting, branch.steps) == ("live", awaited, [])
    branch.settle(1.0)
    assert (branch.state, branch.finish, spans(branch)) == ("closed", "stop", [(0, 3)])
    assert spans(branch) == truth(branch)


def test_a_forced_closing_tag_with_steps_closes_at_once() -> None:
    [branch] = plant(tags=LONG_TAGS)
    draw(branch, [A, DOT])
    branch.force("b</t>")
    assert (branch.state, branch.awaiting, branch.reply) == ("closed", None, "")
    assert branch.trajectory(whole).thinking == "a.\n\nb"
    assert spans(branch) == [(0, 2)] == truth(branch)


async def test_text_forced_behind_a_closing_tag_begins_the_reply() -> None:
    [branch] = plant()
    draw(branch, [A, DOT])
    branch.force("</think>b")
    assert (branch.state, branch.reply) == ("closed", "b")
    answer = asyncio.create_task(branch.answer())
    await settled()
    draw(branch, [C, EOS])
    assert await answer == "bc"
    assert branch.trajectory(whole).tokens == 2


def test_a_forced_opening_tag_begins_the_thinking() -> None:
    [branch] = plant()
    branch.force("a<think>")
    draw(branch, [B, DOT])
    assert spans(branch) == [(2, 4)] == truth(branch)


def test_empty_text_changes_nothing() -> None:
    [branch] = plant()
    branch.force("")
    assert (branch.ids, branch.forced, branch.state) == ([], [], "live")


async def test_what_has_ended_or_is_answering_cannot_be_forced() -> None:
    [branch] = plant()
    branch.cancel()
    with pytest.raises(OptionError, match="Branch 0 is cancelled"):
        branch.force("a")
    [branch] = plant()
    answer = asyncio.create_task(branch.answer())
    await settled()
    with pytest.raises(OptionError, match="can be forced"):
        branch.force("a")
    answer.cancel()


# -- answer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "awaited"), [(-1, 2), (0, 3)])
async def test_answering_a_live_branch_forces_the_closing_tag(offset: int, awaited: int) -> None:
    [branch] = plant(offset=offset)
    draw(branch, [A])
    answer = asyncio.create_task(branch.answer())
    await settled()
    assert (branch.ids, branch.forced, branch.state) == ([A, CLOSE], [(1, 2)], "live")
    assert branch.awaiting == awaited
    branch.settle(1.0)
    draw(branch, [B, DOT, C, EOS])
    assert await answer == "b.\n\nc"
    assert (branch.state, branch.finish, spans(branch)) == ("finished", "length", [(0, 2)])
    assert notes(branch).released == [branch]


@pytest.mark.parametrize(("end", "finish"), [(CLOSE, "stop"), (EOS, "stop"), (B, "length")])
async def test_answering_a_closed_branch(end: int, finish: str) -> None:
    [branch] = plant(max_tokens=3)
    draw(branch, [A, DOT, end])
    assert branch.state == "closed"
    answer = asyncio.create_task(branch.answer())
    await settled()
    assert branch.ids == {CLOSE: [A, DOT, CLOSE], EOS: [A, DOT, CLOSE], B: [A, DOT, B, CLOSE]}[end]
    assert branch.awaiting is None
    draw(branch, [C, EOS])
    assert (await answer, branch.finish) == ("c", finish)
    assert spans(branch) == [(0, 2)] == truth(branch)
    assert branch.trajectory(whole).thinking == ("a.\n\nb" if end == B else "a.\n\n")


@pytest.mark.parametrize("end", [EOS, B])
async def test_an_end_without_steps_is_graded_again_where_the_closing_tag_is_forced(end: int) -> None:
    [branch] = plant(max_tokens=2, tags=LONG_TAGS)
    draw(branch, [A, end], logit=1.0)
    assert [step.logit async for step in branch] == [1.0]
    answer = asyncio.create_task(branch.answer())
    await settled()
    thinking = [A] if end == EOS else [A, B]
    assert branch.ids == [*thinking, SLASH, T, MORE]
    assert branch.awaiting == 2 + len(branch.ids) - 2
    branch.settle(3.0)
    assert [step.logit for step in branch.steps] == [3.0]
    assert spans(branch) == [(0, len(branch.ids))] == truth(branch)
    draw(branch, [EOS])
    assert await answer == ""


async def test_a_reply_has_its_own_limit() -> None:
    [branch] = plant()
    draw(branch, [A, CLOSE])
    answer = asyncio.create_task(branch.answer())
    await settled()
    draw(branch, [B, CLOSE, DOT, C, C])
    assert await answer == "b</think>.\n\ncc"
    assert (branch.state, branch.finish) == ("finished", "length")
    assert spans(branch) == [(0, 2)] == truth(branch)


async def test_without_tags_the_thinking_is_the_reply() -> None:
    [branch] = plant(tags=None)
    draw(branch, [A, DOT, B, EOS])
    assert await branch.answer() == "a.\n\nb"
    assert (branch.state, branch.finish) == ("finished", "stop")
    assert branch.trajectory(whole).thinking == branch.reply


async def test_without_tags_an_answer_cuts_a_live_thinking_and_grades_its_end() -> None:
    [branch] = plant(tags=None)
    draw(branch, [A, B])
    answer = asyncio.create_task(branch.answer())
    await settled()
    assert (branch.state, branch.awaiting) == ("live", 2)
    branch.settle(1.0)
    assert await answer == "ab"
    assert (branch.state, branch.finish, spans(branch)) == ("finished", "length", [(0, 2)])
    assert notes(branch).released == [branch]


async def test_without_tags_an_empty_thinking_ends_at_once() -> None:
    [branch] = plant(tags=None)
    assert await branch.answer() == ""
    assert (branch.state, branch.steps) == ("finished", [])


async def test_answering_what_has_ended_returns_what_there_is() -> None:
    [branch] = plant()
    draw(branch, [A, CLOSE])
    branch.cancel()
    assert await branch.answer() == ""
    assert branch.finish == "stop"


# -- ends ----------------------------------------------------------------------------------------------------------


def test_cancel_frees_it_once_in_every_state() -> None:
    live, halted, closed, failed, awaiting = [*plant(), *plant(), *plant(), *plant(), *plant(offset=0)]
    halted.allow(0)
    draw(closed, [A, EOS])
    failed.fail("out of memory")
    draw(awaiting, [A, DOT])
    for branch in (live, halted, closed, failed, awaiting):
        branch.cancel()
        branch.cancel()
        assert notes(branch).released == [branch]
        assert branch.awaiting is None
    states = [branch.state for branch in (live, halted, closed, failed, awaiting)]
    assert states == ["cancelled", "cancelled", "cancelled", "failed", "cancelled"]
    assert [branch.finish for branch in (live, closed, failed)] == ["cancelled", "stop", "failed"]


def test_a_failure_is_a_record() -> None:
    [branch] = plant()
    draw(branch, [A, DOT, B])
    branch.fail("out of memory")
    trajectory = branch.trajectory(whole)
    assert (trajectory.finish, trajectory.error, len(trajectory.steps)) == ("failed", "out of memory", 1)
    assert notes(branch).released == [branch]


# -- limits and costs ----------------------------------------------------------------------------------------------


def test_thinking_closing_tag_and_reply_fit_the_room() -> None:
    [branch] = plant(room=17, tags=LONG_TAGS)
    assert (branch.tree.thinking_limit, branch.tree.answer_limit) == (10, 4)
    [branch] = plant(room=5, tags=LONG_TAGS)
    assert (branch.tree.thinking_limit, branch.tree.answer_limit) == (1, 1)
    with pytest.raises(CapacityError, match="leaves 4 tokens"):
        plant(room=4, tags=LONG_TAGS)
    [branch] = plant(room=4, tags=None)
    assert (branch.tree.thinking_limit, branch.tree.answer_limit) == (4, 0)


def test_the_tree_counts_what_its_branches_draw() -> None:
    one, two = plant(2)
    draw(one, [A, DOT])
    draw(two, [A])
    one.fork(1, at=1)
    assert one.tree.cost.tokens_generated == 3


def test_tokens_span_prompt_and_completion() -> None:
    [branch] = plant()
    draw(branch, [C, DOT])
    assert [branch.ids_between(start, stop) for start, stop in ((0, 4), (1, 3), (2, 4), (0, 1))] == [
        [A, B, C, DOT],
        [B, C],
        [C, DOT],
        [A],
    ]
    assert branch.length == 4


def test_look_says_from_where_on_the_tokens_were_replaced() -> None:
    [branch] = plant()
    branch.look()
    draw(branch, [A, EOS])
    branch.force("b")
    assert branch.look() == 3
    assert branch.look() >= branch.length
