"""Offline decisions against `reflectgen.select` over the same traces, live as it were, subset by subset."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from evaluate.graded import flat, made, trace, trajectories
from rollouts.made import store

from reflectgen import metrics, select
from reflectgen.errors import OptionError
from reflectgen.evaluate import offline as module
from reflectgen.evaluate.offline import Offline, powers
from reflectgen.evaluate.traces import Traces
from reflectgen.evaluate.ways import Way
from reflectgen.select import SELECTORS, blend_scales


@pytest.mark.parametrize("name", sorted(set(SELECTORS) - {"weighted:sprm"}))
def test_accuracy_at_k_is_what_select_reaches_over_all_subsets(tmp_path: Path, name: str) -> None:
    """Votes of equal weight are left to `test_votes`: here no two answers of a subset tie."""
    found = made(tmp_path, seed=3)
    offline, rows = Offline(Traces.of(found), ks=[1, 3, 5]), trajectories(found)
    scales = blend_scales(flat(rows))
    for k in (1, 3, 5):
        for problem, row in enumerate(rows):
            right, tied = [], False
            for subset in combinations(range(5), k):
                some = [row[index] for index in subset]
                choice = select.select(name, some, blend=scales)
                answers = [one.answer for one in some]
                tied = tied or (name == "majority" and sorted(map(answers.count, set(answers)))[-2:].count(1) > 1)
                right.append(choice.answer == "7")
            if not tied:
                assert offline.estimates[k][Way(name)].values[problem] == pytest.approx(np.mean(right))


def test_rows_compare_with_one_trace_and_the_majority(tmp_path: Path) -> None:
    offline = Offline(Traces.of(made(tmp_path)), ks=[2, 1, 4], selects=["sprm", "majority"])
    assert offline.ks == (1, 2, 4) and [str(way) for way in offline.ways] == ["sprm", "majority"]
    rows = {(str(row.way), row.k): row for row in offline.rows()}
    assert rows["sprm", 1].minus_pass_at_1 is rows["sprm", 1].minus_majority is rows["majority", 4].minus_majority is None
    sprm, majority = (offline.estimates[4][Way(name)].values for name in ("sprm", "majority"))
    assert rows["sprm", 4].minus_majority == metrics.paired_difference(sprm, majority)
    assert rows["sprm", 4].minus_pass_at_1 == metrics.paired_difference(sprm, metrics.pass_at_1(offline.traces.correct))
    assert rows["sprm", 4].accuracy == metrics.mean_interval(sprm) and rows["sprm", 4].error == 0
    plain = rows["sprm", 4].plain()
    assert (plain["way"], plain["aggregate"], plain["spent"]["tokens_generated"]) == ("sprm", None, 8.0)


def test_a_part_of_the_traces_costs_its_share_as_far_as_that_is_known(tmp_path: Path) -> None:
    offline = Offline(Traces.of(made(tmp_path)))
    part, whole = offline.spent(2), offline.spent(5)
    assert (part.tokens_generated, part.tokens_scored) == (4.0, 0.0)
    assert part.tokens_prefilled is part.forward_passes is part.seconds is None
    assert (whole.tokens_generated, whole.tokens_prefilled, whole.forward_passes, whole.seconds) == (10.0, 3.0, 4.0, 0.5)


def test_drawn_votes_state_their_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Traces.of(made(tmp_path, samples=16))
    exact = Offline(found, ks=[4], selects=["weighted"])
    monkeypatch.setattr(metrics.votes, "EXACT", 100)
    monkeypatch.setattr(module, "DRAWS", (400, 400))
    drawn = Offline(found, ks=[4], selects=["weighted"])
    one, other = (offline.estimates[4][Way("weighted")] for offline in (exact, drawn))
    assert one.error == 0 < other.error < 0.02
    assert other.values.mean() == pytest.approx(one.values.mean(), abs=5 * other.error)


def test_failed_traces_are_never_chosen(tmp_path: Path) -> None:
    from random import Random

    rng = Random(0)
    good = trace(rng, "p0", 0, correct=True, answer="7", score=0.2, steps=())
    failed = trace(rng, "p0", 1, correct=False, answer="9", score=0.9, steps=(), finish="failed", error="?")
    offline = Offline(Traces.of(store(tmp_path, [[good, failed]])))
    assert all(estimate.values.tolist() == [1.0] for estimate in offline.estimates[2].values())


@pytest.mark.parametrize("k", [0, 6])
def test_a_k_beyond_what_is_stored_is_refused(tmp_path: Path, k: int) -> None:
    with pytest.raises(OptionError, match=rf"k = {k} does not lie between 1 and the 5 traces of every problem"):
        Offline(Traces.of(made(tmp_path)), ks=[k])


def test_ks_are_powers_of_two_and_all() -> None:
    assert [powers(n) for n in (1, 2, 5, 8)] == [(1,), (1, 2), (1, 2, 4, 5), (1, 2, 4, 8)]
