"""Monte Carlo tree search over scripts: where it widens, which way it goes down, who is chosen."""

from __future__ import annotations

from collections import Counter

import pytest
from search.rig import CLOSE, REPLY, STEP, events, finishes, play, solve

from reflectgen.engine.scripted import Script
from reflectgen.types import Result

GOOD = play("A", "1", 3.0, 3.0, 3.0)
BAD = play("B", "2", -3.0, -3.0, -3.0)
ONE = {"parallel": 1}


def begun(result: Result) -> Counter[str]:
    """How many thinkings begin with each first word."""
    return Counter(trajectory.thinking[0] for trajectory in result.trajectories)


async def test_it_widens_where_visits_allow_it_and_else_goes_down() -> None:
    result = await solve("mcts", [GOOD, BAD], k=3, settings=ONE)
    assert [(event.branch, event.what, event.step) for event in result.trace if event.what in ("started", "forked")] == [
        ("0", "started", 0),
        ("0.0", "forked", 2),
        ("1", "started", 0),
    ]
    assert events(result, "cancelled") == [("0.0", "wrote what branch 0 wrote")]
    assert (result.answer, result.choice.index, result.strategy) == ("1", 0, "mcts")


async def test_every_thinking_is_written_to_its_end_and_there_are_k() -> None:
    for k in (1, 2, 7, 12):
        result = await solve("mcts", [GOOD, BAD, play("C", "3", 1.0, 1.0)], k=k)
        assert len(result.trajectories) == k
        assert {event.branch for event in result.trace if event.what == "closed"} == set(finishes(result))
        given_up = {event.branch for event in result.trace if event.what == "cancelled"}
        assert {name for name, finish in finishes(result).items() if finish != "stop"} == given_up
        twins = [name for name, _ in events(result, "cancelled")]
        assert len({trajectory.thinking for trajectory in result.trajectories}) == k - len(twins)


async def test_a_fork_costs_only_the_steps_that_it_writes_itself() -> None:
    result = await solve("mcts", [GOOD, BAD], k=2, answer="chosen", settings=ONE)
    assert result.cost.tokens_generated == 3 * STEP + CLOSE + STEP + CLOSE + REPLY


async def test_it_goes_on_where_thinkings_were_worth_more() -> None:
    for scripts in ([GOOD, BAD], [BAD, GOOD]):
        found = begun(await solve("mcts", scripts, k=24, settings={**ONE, "growth": 0.3}))
        assert found["A"] > 2 * found["B"] > 0


async def test_a_larger_prior_draws_the_search_where_values_are_equal() -> None:
    likely = play("A", "1", 1.0, 1.0, 1.0, logprobs=(-0.1,))
    unlikely = play("B", "2", 1.0, 1.0, 1.0, logprobs=(-5.0,))
    found = begun(await solve("mcts", [unlikely, likely], k=24, settings={**ONE, "exploration": 5.0, "growth": 0.3}))
    assert found["A"] > 2 * found["B"] > 0


async def test_more_widening_begins_more_often_at_the_prompt() -> None:
    narrow, wide = [await solve("mcts", [GOOD, BAD], k=9, settings={**ONE, "widening": width}) for width in (1.0, 9.0)]
    assert len(events(wide, "started")) == 9
    assert len(events(narrow, "started")) == 3


async def test_those_written_at_once_do_not_all_go_the_same_way() -> None:
    result = await solve("mcts", [GOOD, BAD, play("C", "3", 2.0, 2.0, 2.0)], k=12, settings={"parallel": 4, "growth": 0.2})
    parents = [event.branch.rpartition(".")[0] for event in result.trace if event.what == "forked"]
    assert len(set(parents[:8])) > 1


@pytest.mark.parametrize(("best", "answer"), [("select", "1"), ("visits", "2")])
async def test_the_most_visited_path_may_win_instead_of_the_best_leaf(best: str, answer: str) -> None:
    scripts = [play("A", "1", 3.0), play("B", "2", 1.0, 1.0, 1.0)]
    result = await solve("mcts", scripts, k=8, settings={**ONE, "best": best, "growth": 0.3})
    assert result.answer == answer


async def test_failed_thinkings_are_visits_without_a_leaf() -> None:
    broken = play("B", "2", 3.0, 3.0, fails_at=4)
    result = await solve("mcts", [GOOD, broken], k=6, settings=ONE)
    assert result.answer == "1"
    assert "failed" in finishes(result).values()
    nothing = await solve("mcts", [play("B", "2", 3.0, fails_at=0)], k=4, settings={"best": "visits"})
    assert (nothing.answer, set(finishes(nothing).values())) == (None, {"failed"})


async def test_visits_lead_to_no_thinking_that_failed() -> None:
    broken = play("A", "1", 3.0, 3.0, fails_at=4)
    result = await solve("mcts", [broken, BAD], k=2, settings={"best": "visits"})
    assert list(finishes(result).values()) == ["failed", "stop"]
    assert result.answer == "2"


async def test_a_thinking_without_steps_is_begun_anew() -> None:
    result = await solve("mcts", [Script("Four</think>", reply="\\boxed{4}")], k=3)
    assert result.answer == "4"
    assert [name for name, _ in events(result, "started")] == ["0", "1", "2"]


async def test_a_budget_ends_the_search() -> None:
    result = await solve("mcts", [GOOD, BAD], k=8, budget=60, answer="chosen", settings={"parallel": 2})
    assert result.cost.tokens_generated <= 60
    assert result.answer == "1"
