"""DeepConf over scripts: what the warm-up asks for, who is stopped for it, who votes."""

from __future__ import annotations

import math

import pytest
from search.rig import CLOSE, REPLY, STEP, answers, events, finishes, play, request, solve

from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.search.deepconf import weakest
from reflectgen.search.pool import Pool
from reflectgen.types import Result

SETTINGS = {"warmup": 0.5, "window": 1}


def confident(name: str, answer: str, *confidences: float) -> Script:
    """One step for each confidence."""
    return play(name, answer, *[1.0] * len(confidences), confidences=[value for value in confidences for _ in range(STEP)])


async def search(*scripts: Script, **settings: float) -> Result:
    given = {**SETTINGS, **settings}
    return await solve("deepconf", scripts, k=len(scripts), select="weighted:confidence", settings=given)


async def test_the_warm_up_says_what_confidence_is_asked_for_and_weaker_ones_are_stopped() -> None:
    scripts = [confident("A", "1", 1, 1), confident("B", "2", 3, 3), confident("C", "1", 2, 9), confident("D", "1", 4, 4)]
    result = await search(*scripts)
    assert events(result, "cancelled") == [("2", "confidence below 2.999")]
    assert result.trajectories[2].tokens == STEP
    assert (result.answer, result.choice.index, result.strategy) == ("1", 3, "deepconf")
    assert result.choice.share == pytest.approx(4 / 7)


async def test_one_that_weakens_later_is_stopped_then() -> None:
    scripts = [confident("A", "1", 1, 1), confident("B", "2", 3, 3), confident("C", "1", 4, 4, 2, 9), confident("D", "1", 4, 4)]
    result = await search(*scripts)
    assert result.trajectories[2].tokens == 3 * STEP
    assert finishes(result)["2"] == "cancelled"


async def test_keeping_more_asks_for_less() -> None:
    scripts = [confident("A", "1", 1, 1), confident("B", "2", 3, 3), confident("C", "1", 2, 9), confident("D", "1", 4, 4)]
    result = await search(*scripts, keep=0.75)
    assert events(result, "cancelled") == []
    assert result.choice.share == pytest.approx((1 + 5.5 + 4) / (1 + 3 + 5.5 + 4))


async def test_agreement_of_the_warm_up_ends_it_before_a_token_more_is_drawn() -> None:
    result = await search(*[confident(name, "4", value) for name, value in zip("ABCD", (1, 2, 3, 4), strict=True)])
    assert events(result, "cancelled") == [("2", "consensus"), ("3", "consensus")]
    assert result.cost.tokens_generated == 2 * (STEP + CLOSE + REPLY)


async def test_a_share_that_is_reached_on_the_way_ends_it() -> None:
    scripts = [confident("A", "1", 1), confident("B", "2", 2), confident("C", "2", 9), confident("D", "2", *[9] * 9)]
    result = await search(*scripts, consensus=0.75)
    assert answers(result) == ["1", "2", "2", None]
    assert finishes(result)["3"] == "cancelled"


async def test_at_most_live_are_written_at_once() -> None:
    scripts = [confident(name, name, 2 + index) for index, name in enumerate("ABCDEF")]
    result = await search(*scripts, live=1)
    begun = [event.tokens for event in result.trace if event.what == "started"]
    assert begun[:2] == [0, 0]
    assert begun[2] < begun[3] < begun[4] < begun[5]


async def test_the_weakest_window_counts_and_where_there_is_none_yet_nothing_is_known() -> None:
    engine = ScriptedEngine([confident("A", "1", 1, 5, 3)])
    with Pool(engine, request(engine), 1, "step") as pool:
        await pool.step(pool.branches)
        await pool.step(pool.branches)
        assert [weakest(pool.branches[0], window) for window in (1, 2, 3)] == [1, 3, math.inf]
        await pool.step(pool.branches)
        await pool.step(pool.branches)
        assert [weakest(pool.branches[0], window) for window in (1, 2, 3, 4)] == [1, 3, 3, 3]


async def test_a_thinking_that_ends_within_a_window_is_as_confident_as_its_steps() -> None:
    agreed = [confident(name, "7", 9, 9) for name in "CDEFGH"]
    result = await search(confident("A", "1", 5), confident("B", "2", 3, 3), *agreed, warmup=0.25, window=2)
    assert [why for _, why in events(result, "cancelled") if why != "consensus"] == []
    assert result.answer == "7"
    short = await search(
        confident("A", "1", 5), confident("B", "2", 4), confident("C", "7", 3), confident("D", "7", 6), window=2
    )
    assert events(short, "cancelled") == [("2", "confidence below 4.999")]
    assert short.answer == "7"
    assert short.choice.share == pytest.approx(6 / 11)


async def test_an_empty_thinking_has_no_confidence() -> None:
    empty = [Script("</think>", reply=f"\\boxed{{{answer}}}") for answer in "13"]
    result = await search(*empty, confident("C", "2", 3, 3), confident("D", "2", 4, 4), window=2)
    assert events(result, "cancelled") == []
    assert answers(result) == ["1", "3", "2", "2"]


async def test_a_warm_up_that_fails_asks_for_nothing() -> None:
    broken = play("X", "1", 1.0, fails_at=1)
    result = await search(broken, broken, confident("C", "1", 1), confident("D", "2", 2))
    assert answers(result) == [None, None, "1", "2"]
    assert result.answer == "2"


async def test_it_needs_no_head() -> None:
    engine = ScriptedEngine([confident("A", "1", 1), confident("B", "2", 2)], has_head=False)
    result = await solve("deepconf", engine, k=4, select="weighted:confidence", settings=SETTINGS)
    assert result.answer == "2"
