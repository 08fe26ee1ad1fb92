"""Windows of thinkings, until one agrees."""

from __future__ import annotations

from search.rig import answers, play, solve

from reflectgen.engine.scripted import Script

SAME = [play(name, "4", 1.0) for name in "ABCD"]
MIXED = [play(name, answer, 1.0) for name, answer in zip("ABCDEFGH", "45664444", strict=True)]


async def test_a_window_that_agrees_ends_it() -> None:
    result = await solve("esc", SAME, k=32, select="majority")
    assert (result.answer, result.strategy, len(result.trajectories), result.choice.share) == ("4", "esc", 4, 1.0)


async def test_votes_are_counted_over_all_windows() -> None:
    result = await solve("esc", MIXED, k=32, select="majority")
    assert answers(result) == list("45664444")
    assert (result.answer, result.choice.share) == ("4", 5 / 8)


async def test_windows_that_never_agree_take_k_the_last_one_what_is_left() -> None:
    result = await solve("esc", MIXED[:3], k=7, select="majority", settings={"window": 3})
    assert len(result.trajectories) == 7
    assert len((await solve("esc", MIXED[:3], k=6, select="majority", settings={"window": 4})).trajectories) == 6
    assert len((await solve("esc", MIXED, k=2, select="majority")).trajectories) == 2


async def test_one_that_fails_or_says_nothing_agrees_with_nobody() -> None:
    for odd in (play("X", "4", 1.0, fails_at=1), Script("X.\n\n</think>", reply="eh")):
        result = await solve("esc", [*SAME[:3], odd], k=8, select="majority")
        assert (len(result.trajectories), result.answer) == (8, "4")


async def test_a_budget_is_kept_over_windows() -> None:
    result = await solve("esc", MIXED, k=8, select="majority", budget=60)
    assert result.cost.tokens_generated <= 60
    assert result.answer in ("4", "5", "6")


async def test_with_the_budget_spent_nothing_is_added() -> None:
    scripts = [play(name, answer, 1.0, 1.0) for name, answer in (("A", "1"), ("B", "2"), ("C", "3"))]
    result = await solve("esc", scripts, k=32, budget=60)
    assert all(trajectory.tokens > 0 for trajectory in result.trajectories)
    assert len(result.trajectories) < 32
