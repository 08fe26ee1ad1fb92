from pathlib import Path

import pytest
from rollouts.made import rollout, store

from reflectgen.commands.evaluation import Asked, Tally, numbers
from reflectgen.errors import OptionError
from reflectgen.evaluate.cells import Cell, Contender

NOTHING = {"strategies": None, "selects": None, "ks": "2,8", "budgets": None, "seeds": None, "rollouts": None, "live": False}


def test_what_is_not_said_is_the_default() -> None:
    asked = Asked.parse(**NOTHING)
    assert (asked.contenders, asked.selects, asked.ks, asked.budgets, asked.seeds) == (
        [Contender("best_of_n")],
        [],
        [2, 8],
        [],
        [0],
    )


def test_lists_are_read_each_value_once() -> None:
    given = {"selects": "sprm, majority,sprm", "ks": "8, 2,8", "budgets": "100"}
    asked = Asked.parse(**{**NOTHING, **given})
    assert (asked.selects, asked.ks, asked.budgets) == (["sprm", "majority"], [8, 2], [100])
    with pytest.raises(OptionError, match="--k '2,x' is no list of whole numbers"):
        numbers("--k", "2,x")


def test_seeds_are_a_number_a_list_or_those_of_the_store(tmp_path: Path) -> None:
    made = store(tmp_path, [[rollout("p0", sample, seed=seed) for sample, seed in enumerate((4, 4, 2))]])
    for text, rollouts, seeds in [
        ("3", None, [0, 1, 2]),
        ("3,", None, [3]),
        ("5,1", None, [5, 1]),
        (None, made.folder, [2, 4]),
    ]:
        assert Asked.parse(**{**NOTHING, "seeds": text, "rollouts": rollouts}).seeds == seeds


def test_a_tally_tells_how_the_present_cell_does() -> None:
    cells = [Cell(contender=Contender("esc"), select="majority", k=2, budget=None, seed=seed, replayed=True) for seed in (0, 1)]
    tally = Tally()
    tally.count(cells[0], [{"correct": True}, {"correct": False}])
    assert str(tally) == "esc, majority, k = 2, seed 0  right 50.0%"
    tally.count(cells[1], [{"correct": True}, {"correct": None}])
    assert str(tally) == "esc, majority, k = 2, seed 1  right 100.0%" and tally.rows == 4
