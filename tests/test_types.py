"""The nouns: costs add up, a result knows its chosen trajectory."""

from __future__ import annotations

import dataclasses

import pytest

from reflectgen import types
from reflectgen.types import Choice, Cost, Problem, Result, Trajectory

TRAJECTORY = Trajectory(
    id="0",
    parent=None,
    token_ids=(1, 2),
    thinking="a",
    reply="7",
    answer="7",
    steps=(),
    score=None,
    logprob=-1.0,
    confidence=1.0,
    tokens=1,
    finish="stop",
)


def test_costs_add_up_part_by_part() -> None:
    one = Cost(tokens_generated=1, tokens_prefilled=2, tokens_scored=3, forward_passes=4, seconds=0.5)
    two = Cost(tokens_generated=10, tokens_prefilled=20, tokens_scored=30, forward_passes=40, seconds=0.25)
    assert one + two == Cost(tokens_generated=11, tokens_prefilled=22, tokens_scored=33, forward_passes=44, seconds=0.75)
    assert one + Cost() == one


def test_an_unknown_number_of_passes_stays_unknown() -> None:
    unknown, known = Cost(forward_passes=None), Cost(forward_passes=3)
    assert (unknown + known).forward_passes is None
    assert (known + unknown).forward_passes is None


@pytest.mark.parametrize(("index", "chosen"), [(0, TRAJECTORY), (None, None)])
def test_a_result_knows_its_chosen_trajectory(index: int | None, chosen: Trajectory | None) -> None:
    result = Result(
        problem=Problem(text="3 + 4?"),
        answer="7",
        choice=Choice(index=index, answer="7", share=1.0, values=(1.0,)),
        trajectories=(TRAJECTORY,),
        cost=Cost(),
        strategy="best_of_n",
        select="majority",
        seed=0,
    )
    assert result.chosen is chosen


def test_all_are_frozen() -> None:
    nouns = [noun for noun in vars(types).values() if dataclasses.is_dataclass(noun)]
    assert len(nouns) >= 6
    assert all(noun.__dataclass_params__.frozen for noun in nouns)
    assert all(field.kw_only for noun in nouns for field in dataclasses.fields(noun))
