"""Which traces are shown: problems where the score and the majority disagree, by hand."""

from pathlib import Path

from evaluate.graded import headless
from rollouts.made import rollout, store

from reflectgen.evaluate.examples import Example, examples
from reflectgen.evaluate.offline import Offline
from reflectgen.evaluate.traces import Traces
from reflectgen.rollouts import Rollout, Store


def traces(problem: str, *given: tuple[str, bool, float]) -> list[Rollout]:
    """Answer, outcome and score of each."""
    return [
        rollout(problem, sample, answer=answer, correct=right, score=score, problem=f"{problem}?", text=f"{problem}/{sample}")
        for sample, (answer, right, score) in enumerate(given)
    ]


def by_title(made: Store) -> dict[str, Example]:
    return {example.title: example for example in examples(made, Offline(Traces.of(made)))}


def test_the_best_the_worst_and_the_majority_overruled(tmp_path: Path) -> None:
    rightly = traces("a", ("1", False, 0.2), ("1", False, 0.3), ("2", True, 0.5))
    wrongly = traces("b", ("1", True, 0.2), ("1", True, 0.3), ("2", False, 0.625))
    agreed = traces("c", ("1", True, 0.875), ("1", True, 0.3), ("2", False, 0.75))
    tied = traces("d", ("1", False, 0.1), ("2", True, 0.9375), (" 2", True, 0.1), ("1 ", False, 0.1))[:2]
    tied += traces("d", *[("3", False, 0.1)] * 3)[2:]
    found = by_title(store(tmp_path, [rightly + wrongly, agreed + tied]))
    assert {title.partition(",")[2] or title: example.text for title, example in found.items()} == {
        "The right trace of the largest value": "d/1",
        "The wrong trace of the largest value": "c/2",
        " overruled rightly": "a/2",
        " overruled wrongly": "b/2",
    }
    shown = found["The majority, overruled rightly"]
    assert (shown.problem_id, shown.problem, shown.answer, shown.correct, shown.value) == ("a", "a?", "2", True, 0.5)
    assert shown.steps == (0.75,)


def test_what_there_is_not_is_not_shown(tmp_path: Path) -> None:
    found = by_title(store(tmp_path / "right", [traces("a", ("1", True, 0.2), ("1", True, 0.3))]))
    assert list(found) == ["The right trace of the largest value"]
    ranked = by_title(headless(tmp_path / "headless", correct=True))
    assert ranked["The right trace of the largest value"].value < 0  # a log-prob


def test_a_trace_that_failed_is_no_example(tmp_path: Path) -> None:
    failed = rollout("a", 1, answer=None, correct=False, score=0.9, finish="failed", error="?", problem="a?")
    found = by_title(store(tmp_path, [[*traces("a", ("1", True, 0.2)), failed]]))
    assert list(found) == ["The right trace of the largest value"]


def test_a_compact_store_has_no_texts(tmp_path: Path) -> None:
    full = store(tmp_path / "full", [])
    full.write_shard(0, traces("a", ("1", True, 0.2)), compact=True)
    assert examples(full, Offline(Traces.of(full))) == []
