"""Effort that stops when the answer is settled: after how many votes, and what becomes of those that think."""

from __future__ import annotations

from search.rig import CLOSE, REPLY, STEP, answers, events, finishes, play, solve

from reflectgen.engine.scripted import Script

AGREED = [play(name, "4", 2.0) for name in "ABCD"]
SPLIT = [play(name, answer, 2.0) for name, answer in (("A", "4"), ("B", "5"))]
WHOLE = STEP + CLOSE + REPLY


async def test_three_votes_that_agree_settle_it() -> None:
    result = await solve("adaptive", AGREED, k=32, select="majority", settings={"live": 1})
    assert (result.answer, result.strategy, len(result.trajectories)) == ("4", "adaptive", 3)
    assert result.cost.tokens_generated == 3 * WHOLE


async def test_a_higher_bar_takes_more_votes_and_dissent_takes_all() -> None:
    careful = await solve("adaptive", AGREED, k=32, select="majority", settings={"live": 1, "settled": 0.99})
    assert len(careful.trajectories) == 6
    assert len((await solve("adaptive", SPLIT, k=9, select="majority")).trajectories) == 9


async def test_those_that_still_think_are_stopped_at_once() -> None:
    slow = play("S", "5", *[2.0] * 9)
    result = await solve("adaptive", [*AGREED[:2], slow, *AGREED[2:]], k=32, select="majority", settings={"live": 5})
    assert events(result, "cancelled") == [("2", "settled at 0.969")]
    assert result.trajectories[2].tokens == 2 * STEP
    assert result.answer == "4"


async def test_better_thinkings_settle_it_sooner() -> None:
    counts = []
    for logit in (4.0, 0.0, -2.0):
        scripts = [play(name, "4", logit) for name in "AB"]
        result = await solve("adaptive", scripts, k=32, select="weighted", settings={"live": 1})
        counts.append(len(result.trajectories))
    assert counts[0] < counts[1] < counts[2]


async def test_a_best_of_selector_weighs_the_votes_by_its_value() -> None:
    best, voted = [
        await solve("adaptive", [play("A", "4", 0.0)], k=32, select=name, settings={"live": 1}) for name in ("sprm", "weighted")
    ]
    assert len(best.trajectories) == len(voted.trajectories)
    plain = await solve("adaptive", [play("A", "4", 0.0)], k=32, select="shortest", settings={"live": 1})
    assert len(plain.trajectories) == 3


async def test_weights_of_any_size_count_as_votes() -> None:
    scripts = [play(name, "4", 0.0, confidences=(15.0,)) for name in "ABCD"]
    result = await solve("adaptive", scripts, k=32, select="weighted:confidence", settings={"live": 1})
    assert len(result.trajectories) == 3


async def test_a_new_one_begins_where_one_has_answered_or_failed() -> None:
    ragged = [play("A", "1", 1.0), play("B", "2", 1.0, 1.0, 1.0)]
    result = await solve("adaptive", ragged, k=4, select="majority", settings={"live": 2})
    begun = [(event.branch, event.tokens > 0) for event in result.trace if event.what == "started"]
    assert begun == [("0", False), ("1", False), ("2", True), ("3", True)]
    broken = [play("A", "1", 1.0, fails_at=1)] * 2
    result = await solve("adaptive", [*broken, *SPLIT], k=4, settings={"live": 2})
    assert list(finishes(result).values()) == ["failed", "failed", "stop", "stop"]


async def test_where_all_fail_there_is_no_answer() -> None:
    result = await solve("adaptive", [play("A", "1", 1.0, fails_at=1)], k=6)
    assert (result.answer, len(result.trajectories)) == (None, 6)


async def test_a_stronger_vote_settles_sooner() -> None:
    result = await solve("adaptive", AGREED, k=32, select="majority", settings={"live": 1, "strength": 4.0})
    assert len(result.trajectories) == 1


async def test_one_far_behind_the_best_that_answered_is_dropped() -> None:
    weak = play("W", "5", *[-3.0] * 9)
    scripts = [play("A", "4", 2.0), weak]
    result = await solve("adaptive", scripts, k=2, settings={"settled": 0.999})
    assert events(result, "cancelled") == [("1", "behind the best")]
    assert answers(await solve("adaptive", scripts, k=2, settings={"within": 0.0, "settled": 0.999})) == ["4", "5"]


async def test_one_that_ends_without_an_answer_stops_nobody() -> None:
    mute = Script("Hm.\n\n</think>", reply="Who can tell?", logits=(6.0,))
    scripts = [mute, *[play(name, "7", -2.0, -2.0) for name in "BCDEFGH"]]
    result = await solve("adaptive", scripts, k=8, select="weighted", settings={"live": 8, "settled": 0.999})
    assert events(result, "cancelled") == []
    assert (result.answer, answers(result)) == ("7", [None, *["7"] * 7])


async def test_only_the_chosen_one_may_be_wanted_yet_all_vote() -> None:
    result = await solve("adaptive", AGREED, k=3, answer="chosen")
    assert answers(result) == ["4", "4", "4"]
