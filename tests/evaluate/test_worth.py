"""What scores are worth: two problems of two traces, worked by hand."""

import math
from pathlib import Path

import pytest
from evaluate.graded import headless
from rollouts.made import STEP, rollout, store

from reflectgen import metrics
from reflectgen.evaluate.offline import Offline
from reflectgen.evaluate.traces import Traces
from reflectgen.evaluate.ways import Way
from reflectgen.evaluate.worth import BARS, PLACES, Worth
from reflectgen.types import Step


def steps(*scores: float) -> tuple[Step, ...]:
    return tuple(Step(**{**{name: getattr(STEP, name) for name in STEP.__slots__}, "score": score}) for score in scores)


def worth(path: Path) -> tuple[Worth, Traces]:
    rows = [
        rollout("p0", 0, correct=True, score=0.75, steps=steps(0.5, 1.0)),
        rollout("p0", 1, correct=False, score=0.25, steps=steps(0.25)),
        rollout("p1", 0, correct=False, score=0.5, steps=steps(0.75, 0.25)),
        rollout("p1", 1, correct=False, score=0.125, steps=()),
    ]
    traces = Traces.of(store(path, [rows]))
    return Worth.of(Offline(traces, selects=["sprm", "logprob"])), traces


def test_figures_by_hand(tmp_path: Path) -> None:
    found, traces = worth(tmp_path)
    assert found.mixed == 1
    sprm, logprob = found.ranks
    assert (sprm.way, sprm.pooled.estimate, sprm.within.estimate) == (Way("sprm"), 1.0, 1.0)
    assert (logprob.pooled.estimate, logprob.within.estimate) == (0.5, 0.5)  # all are equal
    assert found.brier is not None
    assert found.brier.estimate == pytest.approx((0.25**2 + 0.25**2 + 0.5**2 + 0.125**2) / 4)
    assert found.bins == tuple(metrics.reliability(traces.correct, traces.score))
    assert found.error == pytest.approx((0.25 + 0.25 + 0.5 + 0.125) / 4)  # a bin of each trace
    bars = dict.fromkeys(range(BARS), 0)
    assert found.right == tuple({**bars, 15: 1}.values())
    assert found.wrong == tuple({**bars, 2: 1, 5: 1, 10: 1}.values())


def test_failed_traces_count_in_no_figure(tmp_path: Path) -> None:
    """Unfinished, with the largest log-prob that there is and a high score: each a wrong trace that would be ranked first."""
    failed = {"finish": "failed", "error": "?", "correct": False, "logprob": 0.0, "score": 1.0}
    rows = [
        rollout("p0", 0, correct=True, score=0.75, logprob=-0.25, steps=steps(0.75)),
        rollout("p0", 1, correct=False, score=0.25, logprob=-0.5, steps=steps(0.25)),
        rollout("p1", 0, correct=True, score=0.5, logprob=-0.5, steps=steps(0.5)),
        rollout("p1", 1, correct=True, score=0.5, logprob=-0.25, steps=steps(0.5)),
    ]
    fails = [rollout(f"p{problem}", 2, steps=steps(1.0), **failed) for problem in (0, 1)]
    dead = [rollout("p2", sample, steps=steps(1.0), **failed) for sample in range(3)]
    whole = Worth.of(Offline(Traces.of(store(tmp_path / "a", [rows])), selects=["sprm", "logprob"]))
    broken = Worth.of(Offline(Traces.of(store(tmp_path / "b", [[*rows, *fails, *dead]])), selects=["sprm", "logprob"]))
    assert str(broken) == str(whole)  # equal where both have NaN, too
    assert whole.mixed == 1
    assert [one.within.estimate for one in broken.ranks] == [1, 1]


def test_scores_along_a_trace_are_means_over_problems(tmp_path: Path) -> None:
    """The steps of two stand at 1/4 and 3/4, a single one at 1/2."""
    found, _ = worth(tmp_path)
    right, wrong = ([getattr(place, kind).estimate for place in found.along] for kind in ("right", "wrong"))
    assert len(found.along) == PLACES and found.along[2].start == 0.2
    assert (right[2], right[7]) == (0.5, 1.0) and all(
        math.isnan(right[index]) for index in range(PLACES) if index not in (2, 7)
    )
    assert (wrong[2], wrong[5], wrong[7]) == (0.75, 0.25, 0.25)


def test_without_a_head_there_are_ranks_alone(tmp_path: Path) -> None:
    found = Worth.of(Offline(Traces.of(headless(tmp_path))))
    assert [str(one.way) for one in found.ranks] == ["logprob", "confidence", "shortest"]
    assert found.brier is found.error is None and found.bins == found.right == found.along == ()
    assert found.plain()["ranks"][0]["way"] == "logprob"
