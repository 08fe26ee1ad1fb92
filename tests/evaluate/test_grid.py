from collections.abc import Mapping
from typing import Any

import pytest
from evaluate.played import PROBLEMS, played

from reflectgen.errors import InputError, ModelError, OptionError
from reflectgen.evaluate.cells import Contender
from reflectgen.evaluate.grid import Grid
from reflectgen.reflector import Options
from reflectgen.tasks import TASKS


def grid(*strategies: str, **changes: Any) -> Grid:
    given: dict[str, Any] = {"task": TASKS["jsonl"], "problems": PROBLEMS, "contenders": [*map(Contender.parse, strategies)]}
    return Grid(**{**given, **changes})


def test_every_strategy_meets_every_selector_k_and_seed() -> None:
    with played() as model:
        cells = grid("best_of_n", "esc", selects=["sprm", "majority"], ks=[2, 4], seeds=[0, 5]).cells(model)
        assert len(cells) == len({cell.file for cell in cells}) == 16
        limited = grid("best_of_n", ks=[2, 4], budgets=[50, 90]).cells(model)
    assert [(cell.k, cell.budget) for cell in limited] == [(2, 50), (2, 90), (4, 50), (4, 90)]


def test_without_selectors_each_strategy_has_its_own() -> None:
    asked = grid("best_of_n", "esc", "deepconf", ks=[2])
    with played() as model:
        assert [cell.select for cell in asked.cells(model)] == ["sprm", "majority", "weighted:confidence"]
    with played(has_head=False) as model:
        assert [cell.select for cell in asked.cells(model)] == ["majority", "majority", "weighted:confidence"]
        with pytest.raises(ModelError, match="The selector 'sprm' needs an SPRM head"):
            grid("best_of_n", selects=["sprm"]).cells(model)


def test_what_draws_whole_thinkings_is_replayed_unless_live_or_under_a_budget() -> None:
    strategies = ("best_of_n", "beam", "pruned", "pruned:rule=memory", "adaptive", "deepconf", "esc", "mcts", "budget")
    with played() as model:
        found = {str(cell.contender) for cell in grid(*strategies, ks=[4]).cells(model) if cell.replayed}
        assert found == {"best_of_n", "pruned", "adaptive", "deepconf", "esc"}
        for change in ({"live": True}, {"budgets": [100]}):
            assert not any(cell.replayed for cell in grid(*strategies, ks=[4], **change).cells(model))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"selects": ["spm"]}, "Unknown selector 'spm'"),
        ({"ks": [0]}, "k must be at least 1, not 0"),
        ({"ks": []}, "No k is given: name at least one."),
        ({"seeds": []}, "No seed is given"),
        ({"contenders": []}, "No strategy is given"),
        ({"ks": [8], "budgets": [7]}, "A budget of 7 tokens is not one for each of 8 thinkings: give more."),
        ({"sampling": Options(temperature=-1.0)}, "temperature"),
    ],
)
def test_a_wrong_grid_is_one_sentence_before_there_is_a_model(change: Mapping[str, Any], fault: str) -> None:
    with pytest.raises(OptionError, match=fault):
        grid("best_of_n", **change)


def test_problems_are_needed_and_told_apart() -> None:
    with pytest.raises(InputError, match="The task 'jsonl' gave no problems"):
        grid("best_of_n", problems=[])
    with pytest.raises(InputError, match="Two problems of the task 'jsonl' have one id"):
        grid("best_of_n", problems=PROBLEMS + PROBLEMS)
