"""Rows: what they change, and which of them share a head."""

from pathlib import Path

import pytest

from reflectgen.config import HeadOptions, RetrofitConfig
from reflectgen.errors import OptionError
from reflectgen.study.variants import Cut, Variant
from reflectgen.train.features import Reading

BASE = Variant(
    section="baseline",
    name="baseline",
    config=RetrofitConfig(head=HeadOptions(step_rule="newline", grade_end=False)),
    stores=(Path("train"),),
)


def test_a_change_goes_where_it_belongs() -> None:
    row = BASE.changed("row", layer=-3, loss="paper", share=0.5)
    assert (row.name, row.config.head.layer, row.config.loss, row.share) == ("row", -3, "paper", 0.5)
    assert row.config.head.step_rule == "newline"
    assert (row.cut, row.reading) == (Cut("", "newline", False), Reading(-3))


def test_a_wrong_value_names_the_row() -> None:
    with pytest.raises(OptionError, match=r"study row 'deep': head\.layer: Input should be less than 0"):
        BASE.changed("deep", layer=3)


def test_rows_that_only_aggregate_otherwise_share_a_head() -> None:
    assert BASE.changed("min", regrade="min").training == BASE.training
    assert BASE.changed("wide", width=128).training != BASE.training


def test_names_do_not_matter_and_options_do() -> None:
    assert BASE.changed("again", section="width").identity() == BASE.identity()
    assert BASE.changed("min", regrade="min").identity() != BASE.identity()
