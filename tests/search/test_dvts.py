"""Trees that do not compete: each keeps its best, and the selector decides among them."""

from __future__ import annotations

from search.rig import events, finishes, play, solve

LOGITS = {"A": 3.0, "B": 2.0, "C": -2.0, "D": -3.0}
SCRIPTS = [play(name, name, logit, logit) for name, logit in LOGITS.items()]


async def test_each_tree_keeps_its_best_where_a_beam_keeps_the_best_of_all() -> None:
    trees = await solve("dvts", SCRIPTS, settings={"expand": 2})
    assert events(trees, "cancelled")[:2] == [("1", "branch 0 is better"), ("3", "branch 2 is better")]
    beam = await solve("beam", SCRIPTS, settings={"expand": 2})
    assert events(beam, "cancelled")[:2] == [("2", "not among the best 2"), ("3", "not among the best 2")]


async def test_the_best_of_the_trees_thinkings_wins() -> None:
    result = await solve("dvts", SCRIPTS, settings={"expand": 2})
    assert [name for name, _ in events(result, "answered")] == ["0", "2"]
    assert (result.strategy, result.answer, result.choice.index) == ("dvts", "A", 0)
    voted = await solve("dvts", SCRIPTS, settings={"expand": 2}, select="majority")
    assert voted.choice.share == 0.5


async def test_a_tree_that_has_died_leaves_the_others_alone() -> None:
    broken = [play(name, name, 3.0, fails_at=1) for name in "AB"]
    result = await solve("dvts", [*broken, *SCRIPTS[2:]], settings={"expand": 2})
    assert (finishes(result)["0"], finishes(result)["1"], finishes(result)["2"]) == ("failed", "failed", "stop")
    assert result.answer == "C"


async def test_the_tree_of_a_closed_thinking_stays_and_is_not_forked() -> None:
    result = await solve("dvts", [play("A", "1", 3.0), SCRIPTS[1]], k=2, settings={"expand": 2})
    assert finishes(result)["0"] == "stop"
    assert len(events(result, "started")) == 2


async def test_branches_that_fill_no_tree_are_left_out() -> None:
    assert len(events(await solve("dvts", SCRIPTS, k=3, settings={"expand": 2}), "started")) == 2
    assert len(events(await solve("dvts", SCRIPTS, k=3), "started")) == 3
