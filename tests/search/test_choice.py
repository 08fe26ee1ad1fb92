"""The strategy "auto": by what was measured with a model, else by its size."""

from __future__ import annotations

from typing import Any

import pytest
from search.rig import play

from reflectgen import Reflector
from reflectgen.engine.scripted import ScriptedEngine
from reflectgen.errors import OptionError
from reflectgen.identity import Identity
from reflectgen.search import pick
from reflectgen.search.choice import SEARCH_BELOW, Frontier, Point


def point(strategy: str, accuracy: float, tokens: float, k: int = 8, **more: Any) -> Point:
    return Point(task="wordproblems", strategy=strategy, select="sprm", k=k, accuracy=accuracy, tokens=tokens, **more)


def auto(frontier: tuple[Point, ...] = (), parameters: int = 1_000_000, **options: Any) -> tuple[str, tuple[str, ...]]:
    engine = ScriptedEngine([play("A", "1", 1.0, 1.0), play("B", "2", 2.0, 2.0)])
    identity = Identity(parameters=parameters)
    with Reflector(engine, engine.encode, identity=identity, frontier=frontier, notes=["Mind the head."]) as model:
        result = model.solve("What is 1 + 1?", strategy="auto", k=8, **options)
    return result.strategy, result.notes


def test_the_most_accurate_that_costs_no_more_than_best_of_k_is_taken() -> None:
    points = (point("best_of_n", 0.5, 100), point("pruned", 0.6, 90), point("beam", 0.9, 101), point("adaptive", 0.55, 40))
    name, why = pick(0, points, 8, "sprm")
    assert name == "pruned"
    assert why == "of those measured it was right most often for the tokens of best-of-8 (60.0%)"
    assert auto(points) == ("pruned", ("Mind the head.", f"The strategy is pruned: {why}."))


def test_of_equally_accurate_ones_the_cheapest_is_taken() -> None:
    assert pick(0, [point("best_of_n", 0.5, 100), point("esc", 0.5, 60), point("pruned", 0.5, 80)], 8, "sprm")[0] == "esc"


def test_best_of_k_itself_is_taken_where_nothing_does_better() -> None:
    assert pick(0, [point("best_of_n", 0.5, 100), point("esc", 0.4, 60)], 8, "sprm")[0] == "best_of_n"


def test_what_was_measured_at_another_k_tells_nothing() -> None:
    assert pick(0, [point("best_of_n", 0.5, 100, k=4), point("esc", 0.9, 60, k=4)], 8, "sprm")[0] == "beam"


def test_what_was_measured_with_another_selector_tells_nothing() -> None:
    assert pick(0, [point("best_of_n", 0.5, 100), point("esc", 0.9, 60)], 8, "majority")[0] == "beam"


def test_over_several_tasks_the_mean_counts() -> None:
    other = [one.model_copy(update={"task": "gsm8k"}) for one in (point("best_of_n", 0.5, 100), point("pruned", 0.1, 90))]
    points = [point("best_of_n", 0.5, 100), point("pruned", 0.8, 90), point("dvts", 0.6, 90), *other]
    assert pick(0, points, 8, "sprm")[0] == "dvts"


@pytest.mark.parametrize(
    ("parameters", "name"),
    [(10**6, "beam"), (SEARCH_BELOW - 1, "beam"), (SEARCH_BELOW, "best_of_n"), (10**12, "best_of_n")],
)
def test_without_measurements_the_size_decides(parameters: int, name: str) -> None:
    chosen, why = pick(parameters, (), 8, "sprm")
    assert chosen == name
    assert why.startswith(f"the model has {parameters / 1e9:.3g}B parameters")
    assert auto(parameters=parameters)[0] == name


def test_it_takes_no_settings() -> None:
    with pytest.raises(OptionError, match="auto chooses for itself, so it takes no settings"):
        auto(settings={"anything": 1})


def test_it_runs_with_the_selector_that_was_measured() -> None:
    points = (point("best_of_n", 0.5, 100), point("adaptive", 0.6, 90))
    engine = ScriptedEngine([play("A", "1", 1.0, 1.0), play("B", "2", 2.0, 2.0)])
    with Reflector(engine, engine.encode, frontier=points) as model:
        result = model.solve("What is 1 + 1?", strategy="auto", k=8)
    assert (result.strategy, result.select) == ("adaptive", "sprm")


def test_a_frontier_is_read_and_a_wrong_one_refused() -> None:
    stored = {"backbone": "abc", "points": [point("esc", 0.5, 10).model_dump()]}
    assert Frontier.parse(stored, "frontier.json").points == (point("esc", 0.5, 10),)
    with pytest.raises(OptionError, match=r"frontier.json: points.0.accuracy"):
        Frontier.parse({"backbone": "abc", "points": [{**stored["points"][0], "accuracy": 2}]}, "frontier.json")
