"""The table as JSON and as Markdown."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from reflectgen.study.bootstrap import Spread
from reflectgen.study.figures import Measured
from reflectgen.study.report import LeftOut, Table, TableRow, cell, markdown, number


def spread(value: float) -> Spread:
    """With an interval of .1 to both sides."""
    return Spread(value, value + np.array([-0.1, 0.1]))


def row(section: str, name: str, figures: Mapping[str, float], **facts: Any) -> TableRow:
    measured = Measured(figures={key: spread(value) for key, value in figures.items()}, by_length=(spread(0.5),) * 4)
    return TableRow(section=section, name=name, measured=measured, facts=facts)


TABLE = Table(
    about={"model": "tiny", "mixed_problems": 7},
    rows=[
        row("reference", "logprob", {"auc": 0.5, "best": 0.25}),
        row("baseline", "baseline", {"auc": 0.75, "blend_auc": 0.8, "best": 0.5}, parameters=8321),
        row("layer", "layer -1", {"auc": 0.875, "best": 0.25}, parameters=8321, tokens_reread=1234567),
    ],
    left_out=[LeftOut(section="data", name="1/8 of the problems", reason="Too few.")],
)


def test_differences_as_json() -> None:
    found = json.loads(json.dumps(TABLE.plain()))
    baseline, layer = found["rows"][1:]
    assert baseline["minus_baseline"]["auc"] == {"estimate": 0, "low": 0, "high": 0}
    assert baseline["minus_logprob"]["blend_auc"]["estimate"] == 0.8 - 0.5
    assert layer["minus_baseline"]["auc"]["estimate"] == 0.125
    assert "minus_majority" not in layer
    assert found["left_out"] == [{"section": "data", "name": "1/8 of the problems", "reason": "Too few."}]


def test_what_is_not_known_is_null() -> None:
    unknown = row("layer", "x", {"auc": math.nan})
    table = Table(about={}, rows=[*TABLE.rows[:2], unknown])
    assert table.plain()["rows"][2]["figures"]["auc"] == {"estimate": None, "low": None, "high": None}


def test_markdown() -> None:
    text = markdown(TABLE)
    assert "- mixed problems: 7" in text
    assert "## Layer\n\n| row | AUC | best-of-k |\n| --- | ---: | ---: |\n| layer -1 | .875 [.780, .970] |" in text
    assert (
        "Minus the baseline:\n\n| row | AUC | best-of-k |\n| --- | ---: | ---: |\n| layer -1 | +.125 [+.125, +.125] |" in text
    )
    assert text.count("Minus the baseline:") == 1
    assert text.count("Minus the mean log-prob:") == 2
    assert "| layer -1 | 8,321 |  |  | 1,234,567 |" in text
    assert text.endswith("## Left out\n\n- data, 1/8 of the problems: Too few.\n")


def test_cells() -> None:
    assert cell(spread(0.5)) == ".500 [.405, .595]"
    assert cell(spread(-0.05), "+") == "-.050 [-.145, +.045]"
    assert cell(spread(1.0)) == "1.000 [.905, 1.095]"
    assert (number(10.5), number(0.9996), number(-0.25)) == ("10.500", "1.000", "-.250")
    assert cell(Spread(math.nan, np.array([math.nan]))) == "-"
