"""The posterior that the leading answer leads, against the binomial tail that it is for whole votes."""

from __future__ import annotations

from math import comb

import pytest
from search.rig import play, request

from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.search.pool import Pool
from reflectgen.search.votes import lead, tally


def tail(first: int, second: int) -> float:
    """P(Beta(first + 1, second + 1) > 1/2): at most `first` heads in first + second + 1 throws of a coin."""
    throws = first + second + 1
    return sum(comb(throws, heads) for heads in range(first + 1)) / 2**throws


@pytest.mark.parametrize("second", range(6))
@pytest.mark.parametrize("more", [0, 1, 2, 5, 20, 60])
def test_it_is_a_binomial_tail_for_whole_votes(second: int, more: int) -> None:
    assert lead([second + more, second]) == pytest.approx(tail(second + more, second), abs=2e-5)


def test_four_votes_without_dissent_settle_at_95_percent_and_three_do_not() -> None:
    assert lead([3.0]) == pytest.approx(15 / 16, abs=1e-5)
    assert lead([4.0]) == pytest.approx(31 / 32, abs=1e-5)


def test_only_the_two_leading_answers_count_and_nobody_is_certain_of_none() -> None:
    assert lead([3.0, 1.0, 1.0]) == lead([3.0, 1.0])
    assert lead([]) == 0.0
    assert lead([2.5, 2.5]) == pytest.approx(0.5)


def test_it_grows_with_the_weight_and_lies_between_whole_votes() -> None:
    found = [lead([weight / 4, 1.0]) for weight in range(4, 24)]
    assert found == sorted(found)
    assert lead([2.0, 1.0]) < lead([2.5, 1.0]) < lead([3.0, 1.0])


def test_many_votes_stay_a_probability() -> None:
    assert lead([4000.0, 10.0]) == pytest.approx(1.0)
    assert 0 <= lead([0.0, 0.0]) <= 1


async def test_equal_answers_add_up_and_none_counts_for_nothing() -> None:
    said = [play(name, answer, 1.0) for name, answer in (("a", "4"), ("b", "1/2"), ("c", "0.5"))]
    engine = ScriptedEngine([*said, Script("d.\n\n</think>", reply="eh")])
    with Pool(engine, request(engine, extract=lambda reply: None if reply == "eh" else reply[7:-1]), 4) as pool:
        await pool.think_and_answer(pool.branches)
        assert tally(pool, pool.branches, [1.0, 0.5, 0.75, 9.0]) == [1.25, 1.0]
        assert tally(pool, [], []) == []
