"""Beam search over scripted steps: who survives a step, who is forked, what it costs."""

from __future__ import annotations

import pytest
from search.rig import CLOSE, REPLY, STEP, answers, events, finishes, play, solve

from reflectgen.errors import OptionError

A = play("A", "1", 1.0, -1.0)
B = play("B", "2", 0.0, 2.0)
C = play("C", "3", -1.0, 0.0)


async def test_the_best_prefix_goes_on_and_a_fork_of_it_may_win() -> None:
    result = await solve("beam", [A, B, C], k=3)
    assert (result.answer, result.strategy) == ("2", "beam")
    assert result.chosen is not None
    assert (result.chosen.id, result.chosen.parent) == ("0.1", "0")
    assert result.chosen.thinking == "A0 is.\n\nB1 is.\n\n"
    assert events(result, "cancelled") == [
        ("1", "not among the best 1"),
        ("2", "not among the best 1"),
        ("0.0", "wrote what branch 0 wrote"),
        ("0", "not among the best 1"),
        ("0.1.0", "wrote what branch 0.1 wrote"),
        ("0.1.1", "wrote what branch 0.1 wrote"),
    ]
    assert result.cost.tokens_generated == 3 * STEP + 3 * STEP + 3 * CLOSE + REPLY


async def test_a_thinking_that_ends_keeps_its_place_and_is_not_forked() -> None:
    short = play("A", "1", 3.0)
    others = [play(name, "2", logit, 1.0, 1.0) for name, logit in (("B", 1.0), ("C", 0.0), ("D", -1.0))]
    result = await solve("beam", [short, *others], k=4, settings={"expand": 2})
    assert result.trajectories[0].finish == "stop"
    assert (result.answer, result.choice.index) == ("1", 0)
    assert [name for name, _ in events(result, "forked")] == ["0.0", "1.0", "1.1", "1.2"]
    assert {"2", "3"} <= {name for name, _ in events(result, "cancelled")}


async def test_places_that_do_not_divide_k_are_left_out() -> None:
    result = await solve("beam", [A, B, C], k=5, settings={"expand": 2})
    assert len(events(result, "started")) == 4
    assert len(events(await solve("beam", [A], k=1), "started")) == 1


async def test_votes_decide_among_the_survivors_and_the_score_among_prefixes() -> None:
    scripts = [play(name, answer, logit) for name, answer, logit in (("A", "1", 3.0), ("B", "2", 2.0), ("C", "2", 1.0))]
    scripts += [play(name, "1", -1.0) for name in "DEF"]
    result = await solve("beam", scripts, k=6, select="majority", settings={"expand": 2})
    assert [name for name, _ in events(result, "answered")] == ["0", "1", "2"]
    assert (result.answer, result.choice.index, result.choice.share) == ("2", 1, 2 / 3)


async def test_a_failed_prefix_loses_its_place() -> None:
    broken = play("A", "1", 3.0, 3.0, fails_at=4)
    result = await solve("beam", [broken, C], k=2, settings={"expand": 2})
    assert finishes(result)["0"] == "failed"
    assert answers(await solve("beam", [play("A", "1", 3.0, fails_at=1)], k=2)) == [None, None]


async def test_a_budget_ends_the_search_with_what_there_is() -> None:
    result = await solve("beam", [play("A", "1", *[1.0] * 20)], k=4, budget=40)
    assert result.cost.tokens_generated <= 40
    assert result.chosen is not None and result.chosen.finish == "length"


@pytest.mark.parametrize("settings", [{"expand": 1}, {"expands": 2}])
async def test_a_wrong_setting_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="The strategy's settings: expand"):
        await solve("beam", [A], settings=settings)
