"""Pruning under all four rules: who is given up, when and why."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from search.rig import CLOSE, REPLY, STEP, events, finishes, play, solve

from reflectgen.engine.branch import Branch
from reflectgen.engine.scripted import ScriptedEngine

FOUR = [play(name, name, logit, logit, logit) for name, logit in (("A", 0.0), ("B", 3.0), ("C", 1.0), ("D", 2.0))]
"""Of three steps each; B is best, then D, C and A."""


class FullEngine(ScriptedEngine):
    """Has places for two branches; while there are more it is full and the others wait."""

    @property
    def pressure(self) -> float:
        return min(1.0, self.held / 2)

    @property
    def waiting(self) -> int:
        return max(0, self.held - 2)

    def play_round(self, live: Sequence[Branch]) -> None:
        super().play_round(live[:2])


async def test_halving_gives_up_the_weaker_half_and_keeps_two() -> None:
    result = await solve("pruned", FOUR)
    assert events(result, "cancelled") == [("0", "weak at step 1"), ("2", "weak at step 1")]
    assert (result.answer, result.choice.index, result.strategy) == ("B", 1, "pruned")
    assert result.cost.tokens_generated == 4 * STEP + 2 * (2 * STEP + CLOSE + REPLY)


@pytest.mark.parametrize(
    ("settings", "given_up"),
    [
        ({"least": 1}, [("0", 1), ("2", 1), ("3", 2)]),
        ({"least": 4}, []),
        ({"start": 2, "least": 1}, [("0", 2), ("2", 2), ("3", 3)]),
        ({"every": 2, "least": 1}, [("0", 1), ("2", 1), ("3", 3)]),
        ({"keep": 0.75, "least": 1}, [("0", 1), ("2", 3)]),
        ({"keep": 0.1, "least": 1}, [("0", 1), ("2", 1), ("3", 1)]),
        ({"keep": 0.1, "least": 3}, [("0", 1)]),
    ],
)
async def test_halving_has_its_times_and_its_share(settings: dict[str, float], given_up: list[tuple[str, int]]) -> None:
    result = await solve("pruned", FOUR, settings=settings)
    assert events(result, "cancelled") == [(name, f"weak at step {step}") for name, step in given_up]


async def test_a_thinking_that_has_closed_competes_on() -> None:
    closed = play("A", "A", -1.0)
    result = await solve("pruned", [closed, *FOUR[1:]], settings={"start": 2, "least": 1})
    assert [name for name, _ in events(result, "closed")] == ["0", "1"]
    assert events(result, "cancelled") == [("0", "weak at step 2"), ("2", "weak at step 2"), ("3", "weak at step 3")]
    assert [name for name, _ in events(result, "answered")] == ["1"]


async def test_prefix_checks_once() -> None:
    result = await solve("pruned", FOUR, settings={"rule": "prefix", "start": 2, "least": 1})
    assert events(result, "cancelled") == [("0", "weak at step 2"), ("2", "weak at step 2")]


@pytest.mark.parametrize(("margin", "given_up"), [(9.0, []), (1.0, ["2"]), (0.0, ["2", "1"])])
async def test_bound_gives_up_whom_its_margin_puts_below_the_best(margin: float, given_up: list[str]) -> None:
    """Mean log scores -0.220, -0.257 and -2.588, deviation 0.299: one standard error of two steps is 0.212."""
    scripts = [play("A", "1", 2.0, 1.0), play("B", "2", 1.0, 1.5), play("C", "3", -3.0, -2.0)]
    settings = {"rule": "bound", "start": 2, "least": 1, "margin": margin}
    result = await solve("pruned", scripts, k=3, settings=settings)
    assert [name for name, _ in events(result, "cancelled")] == given_up


async def test_bound_gives_up_nobody_before_it_can_tell_their_spread() -> None:
    scripts = [play("A", "1", 1.0, 1.0), play("B", "2", 0.9, 2.0)]
    result = await solve("pruned", scripts, k=2, settings={"rule": "bound", "margin": 9.0, "least": 1})
    assert events(result, "cancelled") == []


async def test_memory_gives_up_the_weaker_where_somebody_waits_for_a_place() -> None:
    engine = FullEngine([FOUR[0], FOUR[1], FOUR[2]])
    result = await solve("pruned", engine, k=3, settings={"rule": "memory"})
    assert events(result, "cancelled") == [("0", "no memory for those that wait")]
    assert result.answer == "B"
    assert result.trajectories[2].answer == "C"


async def test_memory_never_gives_up_the_least_and_waits_for_their_steps() -> None:
    kept = await solve("pruned", FullEngine(FOUR[:3]), k=3, settings={"rule": "memory", "least": 3})
    assert events(kept, "cancelled") == []
    late = await solve("pruned", FullEngine(FOUR[:3]), k=3, settings={"rule": "memory", "start": 2})
    assert [(event.branch, event.step) for event in late.trace if event.what == "cancelled"] == [("0", 2)]


async def test_memory_that_does_not_run_out_costs_nobody() -> None:
    result = await solve("pruned", ScriptedEngine(FOUR, memory=10_000), settings={"rule": "memory"})
    assert set(finishes(result).values()) == {"stop"}


async def test_memory_keeps_a_budget() -> None:
    result = await solve("pruned", FOUR, budget=12, settings={"rule": "memory"})
    assert result.cost.tokens_generated <= 12


async def test_failed_thinkings_are_not_counted_among_those_left() -> None:
    broken = play("X", "X", 3.0, 3.0, fails_at=1)
    result = await solve("pruned", [broken, *FOUR[1:]])
    assert finishes(result) == {"0": "failed", "1": "stop", "2": "cancelled", "3": "stop"}


async def test_without_a_head_log_probs_decide() -> None:
    scripts = [play("A", "1", 9.0, 9.0, logprobs=(-2.0,)), play("B", "2", -9.0, -9.0, logprobs=(-1.0,))]
    for rule in ("halving", "prefix", "bound"):
        engine = ScriptedEngine(scripts, has_head=False)
        result = await solve("pruned", engine, k=2, select="logprob", settings={"rule": rule, "least": 1})
        assert [name for name, _ in events(result, "cancelled")] == ["0"]
