"""Ways to choose: which there are, and their values against `reflectgen.select` over the same traces."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from evaluate.graded import flat, headless, made, trace, trajectories
from rollouts.made import store

from reflectgen import select
from reflectgen.errors import OptionError
from reflectgen.evaluate.offline import Offline
from reflectgen.evaluate.traces import Traces
from reflectgen.evaluate.ways import Way
from reflectgen.scoring import AGGREGATES, aggregate
from reflectgen.select import SELECTORS, blend_scales


def test_every_selector_is_there_with_every_aggregate(tmp_path: Path) -> None:
    ways = Offline(Traces.of(made(tmp_path))).ways
    assert {str(way) for way in ways if not way.aggregate} == set(SELECTORS) - {"weighted:sprm"}
    for name in ("sprm", "weighted", "blend", "weighted:blend"):
        others = {way.aggregate for way in ways if way.select == name and way.aggregate}
        # the stored score is the geometric mean, and the product of two has a name of its own
        assert others == set(AGGREGATES) - {"geometric"} - ({"product"} if "blend" not in name else set())


def test_values_are_the_selectors_own(tmp_path: Path) -> None:
    found = made(tmp_path)
    offline, rows = Offline(Traces.of(found)), trajectories(found)
    for name in set(SELECTORS) - {"weighted:sprm"}:
        scales = blend_scales(flat(rows))
        expected = [select.values(name, row, scales) for row in rows]
        assert offline.values[Way(name)] == pytest.approx(np.array(expected), rel=1e-5)
    least = [[min(step.score or 0.0 for step in one.steps) for one in row] for row in rows]
    assert offline.values[Way("sprm", "min")] == pytest.approx(np.array(least))
    mean = [[aggregate("mean", [step.score or 0.0 for step in one.steps]) for one in row] for row in rows]
    assert offline.values[Way("weighted", "mean")] == pytest.approx(np.array(mean))


def test_a_blend_is_scaled_over_those_that_ended(tmp_path: Path) -> None:
    """As live: a failed trace has no score and a log-prob of 0, which would stretch both scales."""
    rng = Random(0)
    rows = [trace(rng, "p0", sample) for sample in range(4)]
    failed = {"score": None, "steps": (), "logprob": 0.0, "correct": False, "finish": "failed", "error": "?"}
    found = store(tmp_path, [[*rows, trace(rng, "p0", 4, **failed)]])
    (row,) = trajectories(found)
    offline = Offline(Traces.of(found), selects=["blend", "weighted:blend"])
    for way, values in offline.values.items():
        if way.select != "majority":
            assert values[0] == pytest.approx(select.select(way.select, row).values, rel=1e-5)


def test_without_a_head_or_answers_ways_are_left_out_or_refused(tmp_path: Path) -> None:
    traces = Traces.of(headless(tmp_path / "a"))
    assert [str(way) for way in Offline(traces).ways] == ["logprob", "confidence", "shortest"]
    for name, lacking in [("sprm", "step scores"), ("majority", "answers to vote on")]:
        with pytest.raises(OptionError, match=f"has no {lacking}.*, so '{name}' cannot choose"):
            Offline(traces, selects=[name])
    voted = Offline(Traces.of(headless(tmp_path / "b", answer="7", confidence=0.0)))
    assert [str(way) for way in voted.ways] == ["logprob", "shortest", "majority", "weighted:logprob"]
    with pytest.raises(OptionError, match="Unknown selector 'spmr'"):
        Offline(traces, selects=["spmr"])


def test_a_selector_of_ones_own_sees_the_steps(tmp_path: Path) -> None:
    found = made(tmp_path)
    offline = Offline(Traces.of(found), selects=["evaluate.graded:FEWEST"])
    lengths = [[-len(one.steps) for one in row] for row in trajectories(found)]
    assert offline.values[Way("evaluate.graded:FEWEST")].tolist() == lengths
