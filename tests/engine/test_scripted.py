"""The scripted engine plays what it was given, and its costs can be counted on one's fingers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from reflectgen.config import Sampling
from reflectgen.engine.branch import Branch
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.errors import InputError

SUM = Script("Two and two.\n\nThat is 4.\n\n</think>", reply="4", logits=(0.0, 2.0), logprobs=(-0.5, -1.5))
WRONG = Script("Two and two.\n\nThat is 5.\n\n</think>", reply="5", logits=(0.0, -2.0))
SHORT = Script("Easy.</think>", reply="6", logits=(1.0,), confidences=(4.0, 2.0))


def grow(*scripts: Script, n: int = 1, pace: Any = "free", **options: Any) -> list[Branch]:
    """`n` branches of a new engine from a prompt of three tokens."""
    engine = ScriptedEngine(scripts or (SUM, WRONG, SHORT), **options)
    return engine.branches([5, 6, 7], n, Sampling(), seed=0, pace=pace)


async def solve(branch: Branch) -> str:
    await branch.ended()
    return await branch.answer()


async def test_branches_play_the_scripts_in_turn() -> None:
    branches = grow(n=5)
    assert await asyncio.gather(*map(solve, branches)) == ["4", "5", "6", "4", "5"]
    assert [[step.logit for step in branch.steps] for branch in branches[:3]] == [[0.0, 2.0], [0.0, -2.0], [1.0]]
    assert [branch.finish for branch in branches] == ["stop"] * 5


async def test_numbers_of_a_script_stand_for_its_tokens_and_the_last_one_is_repeated() -> None:
    [sum_, _, short] = grow(n=3)
    await asyncio.gather(sum_.ended(), short.ended())
    assert sum_.logprobs == [-0.5] + [-1.5] * 8
    assert short.ids == [*short.tree.grammar.table.encode("Easy.</think>")]
    assert short.steps[0].confidence == pytest.approx((4.0 + 2.0 + 2.0) / 3)


async def test_forks_go_on_with_their_parents_script_and_then_with_others() -> None:
    [parent] = grow(pace="step")
    await anext(parent)
    children = parent.fork(4)
    assert await asyncio.gather(*map(_play_out, children)) == ["4", "5", "6", "4"]
    assert [child.trajectory(str).thinking for child in children[:3]] == [
        "Two and two.\n\nThat is 4.\n\n",
        "Two and two.\n\nThat is 5.\n\n",
        "Two and two.\n\n",
    ]


async def _play_out(branch: Branch) -> str:
    async for _ in branch:
        pass
    return await branch.answer()


async def test_a_fork_of_a_fork_moves_on_through_the_scripts() -> None:
    [parent] = grow(pace="step")
    await anext(parent)
    child = parent.fork(2)[1]
    grandchild = child.fork(2)[1]
    assert (grandchild.id, await solve(grandchild)) == ("0.1.1", "6")


async def test_text_behind_a_closing_tag_is_played_when_the_thinking_is_forced_open() -> None:
    [branch] = grow(Script("It is 5.\n\n</think>No, 4.\n\n</think>", reply="4", logits=(-1.0, 1.0)))
    await branch.ended()
    branch.force("Wait.")
    assert await solve(branch) == "4"
    assert branch.trajectory(str).thinking == "It is 5.\n\nWait.No, 4.\n\n"
    assert [step.logit for step in branch.steps] == [-1.0, 1.0]


async def test_a_script_without_a_closing_tag_ends_with_the_text() -> None:
    [branch] = grow(Script("It is 4.\n\n", reply="4"))
    await branch.ended()
    assert branch.text == "It is 4.\n\n<eos>"
    assert await branch.answer() == "4"
    assert branch.text == "It is 4.\n\n</think>4<eos>"


async def test_without_tags_the_text_is_the_reply() -> None:
    [branch] = grow(Script("It is 4.\n\nSo: 4."), tags=None)
    assert await solve(branch) == "It is 4.\n\nSo: 4."


async def test_a_failure_point_fails_that_branch_alone() -> None:
    bad, good = grow(Script("Two and two.\n\nThat", fails_at=5), SUM, n=2)
    assert await asyncio.gather(bad.ended(), good.ended()) == ["failed", "closed"]
    assert (bad.error, bad.trajectory(str).finish) == ("The script fails after 5 tokens.", "failed")
    assert [step.text for step in bad.steps] == ["Two and two.\n\n"]


async def test_one_token_a_round_for_every_branch_and_one_pass_for_the_tree() -> None:
    first, second, _ = grow(n=3)
    await asyncio.sleep(0)
    lengths = []
    while first.state == "live":
        assert len(first.ids) == len(second.ids)
        lengths.append(len(first.ids))
        await asyncio.sleep(0)
    assert lengths == list(range(1, 9))
    cost = first.tree.cost
    assert (cost.tokens_generated, cost.tokens_prefilled, cost.forward_passes) == (9 + 9 + 3, 3, 9)


async def test_forced_tokens_count_as_prefilled_once() -> None:
    [branch] = grow()
    branch.allow(2)
    await branch.ended()
    branch.force("ab")
    branch.allow(None)
    await solve(branch)
    assert branch.tree.cost.tokens_prefilled == 3 + len(branch.tree.grammar.table.encode("ab"))
    assert branch.tree.cost.tokens_generated == 9 + 2


async def test_at_offset_0_a_step_takes_one_pass_more() -> None:
    [early], [late] = grow(SUM), grow(SUM, offset=0)
    await asyncio.gather(early.ended(), late.ended())
    assert late.steps == early.steps
    assert (early.tree.cost.forward_passes, late.tree.cost.forward_passes) == (9, 11)


async def test_pressure_is_what_is_held_of_the_memory() -> None:
    branches = grow(n=2, memory=40)
    engine: Any = branches[0].tree.host
    assert engine.pressure == pytest.approx(6 / 40)
    for branch in branches:
        branch.allow(2)
    await asyncio.gather(*(branch.ended() for branch in branches))
    assert engine.pressure == pytest.approx(10 / 40)
    branches[0].cancel()
    assert (engine.pressure, engine.held) == (pytest.approx(5 / 40), 1)


async def test_prompts_choose_scripts_by_what_is_written_in_them() -> None:
    engine = ScriptedEngine({"2 + 2": [SUM], "3 + 3": [SHORT]})
    problems = [engine.encode("What is 3 + 3?"), engine.encode("And 2 + 2?")]
    branches = [engine.branches(problem, 1, Sampling(), seed=0)[0] for problem in problems]
    assert await asyncio.gather(*map(solve, branches)) == ["6", "4"]
    with pytest.raises(InputError, match=r"No script is for the prompt 'What is 1 \+ 1\?'"):
        engine.branches(engine.encode("What is 1 + 1?"), 1, Sampling(), seed=0)


async def test_a_given_trace_gets_the_numbers_of_the_script_it_follows() -> None:
    engine = ScriptedEngine([SUM, WRONG])
    steps = await engine.score([5], engine.encode("Two and two.\n\nThat is 5.\n\nOr"))
    assert [(step.logit, step.logprob) for step in steps] == [(0.0, -1.0), (-2.0, -1.0)]


async def test_without_a_head_nothing_is_graded() -> None:
    [branch] = grow(has_head=False)
    await solve(branch)
    assert [step.logit for step in branch.steps] == [None, None]
    assert branch.score is None


def test_an_engine_serves_one_event_loop_after_another() -> None:
    engine = ScriptedEngine([SUM])

    async def once() -> str:
        return await solve(engine.branches([5], 1, Sampling(), seed=0)[0])

    assert [asyncio.run(once()) for _ in range(2)] == ["4", "4"]
    assert engine.held == 0


def test_it_needs_no_torch() -> None:
    probe = "import sys, reflectgen.engine.scripted; print('torch' in sys.modules or 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
