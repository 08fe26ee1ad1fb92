import json
from pathlib import Path

import pytest
from evaluate.graded import headless, made

from reflectgen.evaluate import offline
from reflectgen.evaluate.stored import Stored
from reflectgen.metrics import votes


def test_a_store_is_told_as_json(tmp_path: Path) -> None:
    made(tmp_path)
    told = json.loads(json.dumps(Stored.of(tmp_path, ks=[1, 4]).plain()))
    assert (told["kind"], told["problems"], told["traces"], told["run"]["task"]) == ("store", 6, 5, "wordproblems")
    assert {row["k"] for row in told["rows"]} == {1, 4} and list(told["any_right"]) == ["1", "4"]
    assert told["pass_at_1"]["estimate"] == pytest.approx(told["any_right"]["1"]["estimate"])
    assert told["worth"]["brier"]["estimate"] > 0 and told["worth"]["ranks"][0]["way"] == "sprm"


def test_notes_say_what_a_reader_must_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Stored.of(headless(tmp_path / "a").folder).notes == [
        "No head graded these traces: ways that need step scores are left out."
    ]
    monkeypatch.setattr(votes, "EXACT", 2)
    monkeypatch.setattr(offline, "DRAWS", (50, 50))
    blend, drawn = Stored.of(made(tmp_path / "b").folder).notes
    assert blend.startswith("Blends are standardised over all traces of the store")
    assert drawn.startswith("Votes at k = 4 are counted over drawn sets, to a standard error of ")


def test_entries_are_drawn_as_those_of_an_evaluation(tmp_path: Path) -> None:
    made(tmp_path)
    found = Stored.of(tmp_path, ks=[1, 5], selects=["sprm"])
    first, last = found.entries
    assert (first.select, first.k, last.k, first.strategy) == ("sprm", 1, 5, "best_of_n")
    assert (first.tokens.estimate, last.tokens.estimate, first.passes, last.passes) == (2.0, 10.0, None, 4.0)
    assert found.title == "tiny on wordproblems, 6 problems x 5 traces"
