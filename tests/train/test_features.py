"""Arrays of traces and steps: every number below is worked by hand."""

from dataclasses import replace

import numpy as np
import pytest
from step_features import AT, FOUR, NORMED, ORIGIN, features

from reflectgen.config import HeadConfig
from reflectgen.errors import InputError, OptionError
from reflectgen.train.features import Reading, States, join


def test_a_reading_is_told_by_its_parts() -> None:
    assert (str(AT), str(NORMED)) == ("layer-2", "layer-1-normed-at-pooled")
    assert Reading.of(HeadConfig(hidden_size=2, layer=-3, offset=0)) == Reading(-3, False, 0, "token")


def test_traces_and_steps_by_problem() -> None:
    assert [rows.tolist() for rows in FOUR.rows] == [[0, 1], [2, 3]]
    assert [steps.tolist() for steps in FOUR.steps] == [[0, 1], [2], [], [3, 4, 5]]
    assert [rows.tolist() for rows in FOUR.mixed] == [[0, 1]]
    assert not FOUR.labelled


def test_some_traces() -> None:
    some = FOUR.of_traces(np.array([False, True, False, True]))
    assert some.problem.tolist() == [0, 1] and some.problems == ("p0", "p1")
    assert some.trace.tolist() == [0, 1, 1, 1] and some.stop.tolist() == [2, 3, 4, 5]
    assert some.answers == ("1", "3") and some.correct.tolist() == [False, True]
    assert some.states[AT][:, 0].tolist() == [2, 3, 4, 5] and some.states[NORMED][:, 1].tolist() == [-4, -6, -8, -10]


def test_some_problems_and_then_some_of_them() -> None:
    later = FOUR.of_problems([1])
    assert later.problems == ("p1",) and later.problem.tolist() == [0, 0] and later.trace.tolist() == [1, 1, 1]
    assert later.of_traces(np.array([False, True])).states[AT][:, 0].tolist() == [3, 4, 5]


def test_a_split_is_by_problem_and_by_seed() -> None:
    many = features([index // 2 for index in range(20)], [1] * 20, [True, False] * 10)
    train, validation = many.split(0.3, 0)
    assert len(train.problems) == 7 and len(validation.problems) == 3
    assert not set(train.problems) & set(validation.problems)
    assert many.split(0.3, 0)[1].problems == validation.problems
    assert any(many.split(0.3, seed)[1].problems != validation.problems for seed in range(1, 4))


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_split_with_an_empty_part_is_refused(share: float) -> None:
    with pytest.raises(OptionError, match="leaves nothing to train or to validate on"):
        FOUR.split(share, 0)


def test_joined_parts_keep_a_problems_traces_together() -> None:
    other = replace(features([0, 1], [1, 2], [False, True]), problems=("p1", "p9"))
    both = join([FOUR, other])
    assert both.problems == ("p0", "p1", "p9")
    assert both.problem.tolist() == [0, 0, 1, 1, 1, 2]
    assert both.answers == ("0", "1", "2", "3", "0", "1")
    assert both.trace.tolist() == [0, 0, 1, 3, 3, 3, 4, 5, 5]
    assert both.states[AT][:, 0].tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2]


def test_scattered_traces_are_put_in_order() -> None:
    scattered = features([0, 1, 0], [1, 1, 2], [True, True, False])
    ordered = join([scattered])
    assert ordered.problem.tolist() == [0, 0, 1] and ordered.sample.tolist() == [0, 2, 1]
    assert ordered.trace.tolist() == [0, 1, 1, 2] and ordered.stop.tolist() == [0, 2, 3, 1]


def test_parts_of_different_backbones_do_not_join() -> None:
    other = replace(FOUR, origin=replace(ORIGIN, backbone="llama-1x2-cd"))
    with pytest.raises(InputError, match="differ in backbone"):
        join([FOUR, other])


def test_states_are_fetched_when_asked_for() -> None:
    asked = []
    states = States((AT, NORMED), lambda reading: asked.append(reading) or np.zeros((1, 2), dtype=np.float16))
    assert len(states) == 2 and AT in states and not asked
    assert states[NORMED].shape == (1, 2) and asked == [NORMED]
    with pytest.raises(KeyError):
        states[Reading(-4)]
