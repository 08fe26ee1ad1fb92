"""Branches whose ends are graded, and branches that a separate model grades, their tokens drawn by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from engine.rig import BANG, CLOSE, DOT, EOS, LONG_TAGS, MORE, OPEN, SLASH, A, B, C, T, draw, notes, plant, spans, truth

from reflectgen.engine.branch import Branch
from reflectgen.errors import OptionError


def ending(n: int = 1, **rules: Any) -> list[Branch]:
    return plant(n, grade_end=True, **rules)


# -- graded ends ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [CLOSE, EOS])
def test_what_stands_between_the_last_step_and_the_end_is_one_more_step(end: int) -> None:
    [branch] = ending()
    assert draw(branch, [A, DOT, B, C, end], logit=2.0) == [DOT, end]
    assert (branch.state, spans(branch)) == ("closed", [(0, 2), (2, 5)])
    assert spans(branch) == truth(branch)
    assert branch.steps[1].text == {CLOSE: "bc</think>", EOS: "bc<eos>"}[end]
    assert branch.steps[1].logit == 2.0


@pytest.mark.parametrize("end", [[CLOSE], [EOS], [BANG, CLOSE], [BANG, DOT, EOS]])
def test_an_end_with_nothing_but_step_tokens_before_it_is_none(end: list[int]) -> None:
    [branch] = ending()
    assert draw(branch, [A, DOT, *end]) == [DOT]
    assert (branch.state, spans(branch)) == ("closed", [(0, 2)])
    assert spans(branch) == truth(branch)


@pytest.mark.parametrize(("tokens", "expected"), [([A, DOT, B, C], [(0, 2), (2, 4)]), ([A, B, DOT, C], [(0, 3)])])
def test_a_truncated_end_needs_a_token_besides_the_last(tokens: list[int], expected: Any) -> None:
    [branch] = ending(max_tokens=4)
    draw(branch, tokens)
    assert (branch.state, branch.finish) == ("closed", "length")
    assert spans(branch) == expected == truth(branch)


def test_a_closing_tag_of_several_tokens_is_in_the_step_and_not_in_what_it_must_hold() -> None:
    [branch] = ending(tags=LONG_TAGS)
    draw(branch, [A, DOT, SLASH, T, MORE])
    assert (branch.state, spans(branch)) == ("closed", [(0, 2)])
    [branch] = ending(tags=LONG_TAGS)
    draw(branch, [A, DOT, B, SLASH, T, MORE])
    assert spans(branch) == [(0, 2), (2, 6)] == truth(branch)


def test_the_official_rule_grades_ends_too_where_it_is_told_to_but_no_empty_one() -> None:
    [branch] = ending(rule="official")
    draw(branch, [A, B, DOT, C, CLOSE])
    assert spans(branch) == [(0, 3), (3, 5)] == truth(branch)
    [branch] = ending(rule="official")
    assert draw(branch, [OPEN, CLOSE]) == []


def test_an_end_is_no_step_to_fork_at() -> None:
    [branch] = ending()
    draw(branch, [A, DOT, B, CLOSE])
    assert branch.fork(1, at=1)[0].ids == [A, DOT]
    with pytest.raises(OptionError, match="it has 1 steps"):
        branch.fork(1, at=2)


async def test_forcing_a_closed_branch_drops_the_grade_of_its_end() -> None:
    [branch] = ending()
    draw(branch, [A, DOT, B, CLOSE])
    assert [step.token_span async for step in branch] == [(0, 2), (2, 4)]
    branch.force("c")
    assert (branch.state, spans(branch)) == ("live", [(0, 2)])
    draw(branch, [DOT])
    assert (await anext(branch)).token_span == (2, 5)
    assert spans(branch) == truth(branch)


@pytest.mark.parametrize(("offset", "awaited"), [(-1, 4), (0, 5)])
async def test_answering_in_mid_step_grades_the_rest_as_a_step(offset: int, awaited: int) -> None:
    [branch] = ending(offset=offset)
    draw(branch, [A, DOT])
    if offset == 0:
        branch.settle(1.0)
    draw(branch, [B])
    answer = asyncio.create_task(branch.answer())
    await asyncio.sleep(0)
    assert (branch.ids, branch.awaiting) == ([A, DOT, B, CLOSE], awaited)
    branch.settle(3.0)
    draw(branch, [C, EOS])
    assert await answer == "c"
    assert spans(branch) == [(0, 2), (2, 4)] == truth(branch)


async def test_answering_behind_a_step_grades_no_end() -> None:
    [branch] = ending()
    draw(branch, [A, DOT])
    answer = asyncio.create_task(branch.answer())
    await asyncio.sleep(0)
    assert branch.awaiting is None
    draw(branch, [EOS])
    assert await answer == ""
    assert spans(branch) == [(0, 2)] == truth(branch)


async def test_a_truncated_end_of_one_token_is_a_step_once_the_closing_tag_is_forced() -> None:
    [branch] = ending(max_tokens=3)
    draw(branch, [A, DOT, B])
    assert spans(branch) == [(0, 2)] == truth(branch)
    answer = asyncio.create_task(branch.answer())
    await asyncio.sleep(0)
    branch.settle(1.0)
    assert spans(branch) == [(0, 2), (2, 4)] == truth(branch)
    answer.cancel()


def test_a_step_and_an_end_that_are_both_awaited_are_graded_one_after_the_other() -> None:
    [branch] = ending(offset=0)
    draw(branch, [A, DOT])
    branch.force("b</think>")
    assert (branch.awaiting, branch.window()) == (3, (3, 4))
    branch.settle(1.0)
    assert (branch.state, branch.awaiting, branch.window()) == ("live", 5, (5, 6))
    branch.settle(2.0)
    assert (branch.state, [step.logit for step in branch.steps]) == ("closed", [1.0, 2.0])
    assert spans(branch) == [(0, 2), (2, 4)] == truth(branch)


def test_forcing_drops_an_awaited_end_and_keeps_the_awaited_step() -> None:
    [branch] = ending(offset=0)
    draw(branch, [A, DOT])
    branch.force("b</think>")
    branch.force("c")
    assert (branch.ids, branch.awaiting) == ([A, DOT, B, C], 3)
    branch.settle(1.0)
    assert (branch.state, branch.awaiting, spans(branch)) == ("live", None, [(0, 2)])


# -- windows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "expected"), [(-1, [(1, 4), (4, 6)]), (0, [(2, 5), (5, 7)])])
def test_a_pooling_head_reads_the_states_of_all_tokens_since_the_last_step(offset: int, expected: Any) -> None:
    [branch] = plant(offset=offset, pool="step")
    windows = []
    for token in [A, B, DOT, C, DOT]:
        if offset == 0:
            branch.append(token, 0.0, 0.0, None)
            if branch.awaiting is not None:
                windows.append(branch.window())
                branch.settle(1.0)
        else:
            graded = branch.grades(token)
            windows += [branch.window(token)] if graded else []
            branch.append(token, 0.0, 0.0, 1.0 if graded else None)
    assert windows == expected


def test_what_comes_before_the_opening_tag_is_in_no_window() -> None:
    [branch] = plant(pool="step")
    draw(branch, [A, OPEN, B])
    assert branch.window(DOT) == (3, 5)
    [branch] = plant(pool="step", max_tokens=2)
    draw(branch, [A])
    assert branch.window(OPEN) == (2, 3)


# -- graded by a separate model ------------------------------------------------------------------------------------


def apart(n: int = 1, **rules: Any) -> tuple[list[Branch], list[Branch]]:
    """`n` branches, and a list of those that asked for a grade, in the order of asking."""
    branches, asked = plant(n, separate=True, **rules), []
    branches[0].tree.grader = asked.append
    return branches, asked


@pytest.mark.parametrize("offset", [-1, 0])
async def test_a_step_is_delivered_when_the_other_model_has_graded_it(offset: int) -> None:
    [branch], asked = apart(offset=offset)
    assert draw(branch, [A, DOT]) == []
    assert (branch.state, branch.awaiting, branch.steps, asked) == ("grading", None, [], [branch])
    assert branch.window() == (3 + offset, 4 + offset)
    step = asyncio.create_task(anext(branch))
    await asyncio.sleep(0)
    branch.settle(1.5)
    assert (await step).logit == 1.5
    assert (branch.state, notes(branch).woken) == ("live", [branch])


@pytest.mark.parametrize(("pace", "allowance", "then"), [("step", None, "halted"), ("free", 2, "halted"), ("free", 3, "live")])
def test_after_the_grade_it_goes_on_as_it_would_have(pace: str, allowance: int | None, then: str) -> None:
    [branch], _ = apart(pace=pace)
    branch.allow(allowance)
    draw(branch, [A, DOT])
    branch.settle(1.0)
    assert branch.state == then


async def test_strategies_wait_for_a_grade_as_for_a_live_branch() -> None:
    [branch], asked = apart()
    draw(branch, [A, CLOSE])
    ended = asyncio.create_task(branch.ended())
    answer = asyncio.create_task(branch.answer())
    await asyncio.sleep(0)
    assert (branch.state, ended.done(), asked) == ("grading", False, [branch, branch])
    branch.settle(1.0)
    draw(branch, [C, EOS])
    assert (await answer, await ended) == ("c", "finished")
    assert spans(branch) == [(0, 2)] == truth(branch)


def test_what_is_forced_while_it_is_graded_asks_again() -> None:
    [branch], asked = apart()
    draw(branch, [A, DOT])
    epoch = branch.epoch
    branch.force("b")
    assert (branch.state, branch.epoch, asked) == ("grading", epoch + 1, [branch, branch])
    branch.settle(1.0)
    assert (branch.state, spans(branch)) == ("live", [(0, 2)])


def test_it_can_be_cancelled_forked_and_failed_while_it_is_graded() -> None:
    [cancelled, failed, forked], _ = apart(3)
    for branch in (cancelled, failed, forked):
        draw(branch, [A, DOT])
    cancelled.cancel()
    failed.fail("out of memory")
    assert (cancelled.state, failed.state, forked.fork(1)[0].ids) == ("cancelled", "failed", [])
    assert notes(cancelled).released == [cancelled, failed]
