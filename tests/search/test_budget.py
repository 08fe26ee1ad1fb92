"""Thinking length as effort: who is nudged, how often, and what a nudge does not change."""

from __future__ import annotations

from search.rig import answers, events, play, solve

from reflectgen.config import Sampling
from reflectgen.engine.scripted import Script

AGAIN = Script("One.\n\n</think> No.\n\n</think> Yes.\n\n</think>", "\\boxed{4}", logits=(1.0, 2.0, 3.0), logprobs=(-2.0,))


async def test_an_early_close_is_replaced_by_a_nudge() -> None:
    result = await solve("budget", [AGAIN], k=2, settings={"least": 4})
    assert [trajectory.thinking for trajectory in result.trajectories] == ["One.\n\n\n\nWait No.\n\n"] * 2
    assert answers(result) == ["4", "4"]
    assert events(result, "forced") == [("0", "closed before 4 tokens"), ("1", "closed before 4 tokens")]
    assert result.strategy == "budget"


async def test_a_nudge_is_no_step_and_enters_no_mean() -> None:
    result = await solve("budget", [AGAIN], k=1, settings={"least": 4})
    (trajectory,) = result.trajectories
    assert [step.text for step in trajectory.steps] == ["One.\n\n", "\n\nWait No.\n\n"]
    assert [step.logit for step in trajectory.steps] == [1.0, 2.0]
    assert trajectory.logprob == -2.0
    assert len(trajectory.forced_spans) == 1


async def test_it_is_nudged_until_it_is_long_enough_or_was_asked_often_enough() -> None:
    for settings, nudges in (({"least": 100}, 4), ({"least": 100, "times": 1}, 1), ({"least": 100, "times": 2}, 2), ({}, 0)):
        result = await solve("budget", [AGAIN], k=1, settings=settings)
        assert len(events(result, "forced")) == nudges
    assert len(events(await solve("budget", [AGAIN], k=1, settings={"least": 10}), "forced")) == 2


async def test_one_that_is_long_enough_is_left_alone() -> None:
    result = await solve("budget", [AGAIN, play("B", "5", 1.0, 1.0)], k=2, settings={"least": 6})
    assert [name for name, _ in events(result, "forced")] == ["0"]


async def test_one_at_its_limit_is_not_nudged() -> None:
    result = await solve("budget", [AGAIN], k=1, settings={"least": 10}, sampling=Sampling(max_tokens=2))
    assert events(result, "forced") == []
    assert (result.trajectories[0].finish, result.answer) == ("length", "4")


async def test_a_nudge_of_ones_own() -> None:
    result = await solve("budget", [AGAIN], k=1, settings={"least": 4, "nudge": " Hmm", "times": 1})
    assert result.trajectories[0].thinking == "One.\n\n Hmm No.\n\n"


async def test_a_failed_thinking_is_not_nudged() -> None:
    result = await solve("budget", [play("A", "1", 1.0, fails_at=1)], k=2, settings={"least": 9})
    assert (result.answer, events(result, "forced")) == (None, [])


async def test_a_budget_is_kept_and_a_nudge_costs_none_of_it() -> None:
    result = await solve("budget", [AGAIN], k=2, budget=16, settings={"least": 100})
    assert result.cost.tokens_generated <= 16
    free = await solve("budget", [AGAIN], k=1, settings={"least": 4})
    assert free.cost.tokens_generated == 3 + 3 + 6


async def test_where_no_thinking_is_short_it_ends_however_many_times_it_may_nudge() -> None:
    result = await solve("budget", [AGAIN], k=1, settings={"least": 1, "times": 10**15})
    assert events(result, "forced") == []
