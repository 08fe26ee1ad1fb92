"""The study's table: as JSON, and as Markdown with intervals and paired differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from reflectgen.study.bootstrap import Spread
from reflectgen.study.figures import TITLES, Measured
from reflectgen.study.sections import SECTIONS

REFERENCES, BASELINE = "reference", "baseline"
"""Sections of the rows without a head, and of the row that all others change."""
HEADINGS = {REFERENCES: "Without a head", BASELINE: "Baseline", **{name: found.title for name, found in SECTIONS.items()}}
FACTS = {
    "parameters": "parameters",
    "epoch": "best epoch",
    "validation_auc_within": "AUC within, validation part",
    "tokens_reread": "tokens read again",
}
"""What is told of a row's head beside its figures -> its heading."""
OTHERS = {"baseline": "the baseline", "logprob": "the mean log-prob", "majority": "the majority vote"}
"""Rows that every row is compared with -> what they are called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One row, measured."""

    section: str
    name: str
    measured: Measured
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A row that could not be made."""

    section: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All rows of a study; the references first, then the baseline."""

    about: Mapping[str, Any]
    """Model, stores and their sizes, as JSON."""
    rows: Sequence[TableRow]
    left_out: Sequence[LeftOut] = ()

    @property
    def baseline(self) -> TableRow:
        """The row that all others change."""
        return next(row for row in self.rows if row.section == BASELINE)

    @property
    def others(self) -> dict[str, TableRow]:
        """Those of `OTHERS` that there are."""
        found = {row.name: row for row in self.rows if row.section in (REFERENCES, BASELINE)}
        return {name: found[name] for name in OTHERS if name in found}

    def sections(self) -> dict[str, list[TableRow]]:
        """Section -> its rows."""
        found: dict[str, list[TableRow]] = {}
        for row in self.rows:
            found.setdefault(row.section, []).append(row)
        return found

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "about": dict(self.about),
            "rows": [self._plain(row) for row in self.rows],
            "left_out": [asdict(row) for row in self.left_out],
        }

    def _plain(self, row: TableRow) -> dict[str, Any]:
        return {
            "section": row.section,
            "name": row.name,
            "figures": _intervals(row.measured.figures),
            **{f"minus_{name}": _intervals(row.measured.minus(other.measured)) for name, other in self.others.items()},
            "by_length": [_interval(spread) for spread in row.measured.by_length],
            "facts": dict(row.facts),
        }


def _intervals(figures: Mapping[str, Spread]) -> dict[str, Any]:
    return {name: _interval(spread) for name, spread in figures.items()}


def _interval(spread: Spread) -> dict[str, float | None]:
    """JSON has no NaN: what is not known is null."""
    return {name: None if value != value else value for name, value in asdict(spread.interval()).items()}


# -- Markdown ----------------------------------------------------------------------------------------------------------

Figures = Callable[[TableRow], Mapping[str, Spread]]


def markdown(table: Table) -> str:
    """The whole study: three tables a section, and accuracy by length."""
    parts = ["# Study", _about(table.about)]
    for section, rows in table.sections().items():
        parts.append(f"## {HEADINGS[section]}")
        parts.append(_figures(rows, lambda row: row.measured.figures))
        if section != REFERENCES:
            parts += _differences(table, rows)
    parts += ["## Accuracy of the chosen traces by length of their thinking", _lengths(table)]
    parts += ["## Heads", _facts(table)]
    if table.left_out:
        parts += ["## Left out", "\n".join(f"- {row.section}, {row.name}: {row.reason}" for row in table.left_out)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _about(about: Mapping[str, Any]) -> str:
    return "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in about.items())


def _differences(table: Table, rows: Sequence[TableRow]) -> list[str]:
    parts = []
    for name, other in table.others.items():
        if not any(row is other for row in rows):
            parts += [f"Minus {OTHERS[name]}:", _figures(rows, partial(_minus, other), sign="+")]
    return parts


def _minus(other: TableRow, row: TableRow) -> Mapping[str, Spread]:
    return row.measured.minus(other.measured)


def _figures(rows: Sequence[TableRow], figures: Figures, *, sign: str = "") -> str:
    found = [figures(row) for row in rows]
    names = [name for name in TITLES if any(name in some for some in found)]
    cells = [[cell(some[name], sign) if name in some else "" for name in names] for some in found]
    return _grid(["row", *(TITLES[name] for name in names)], [[row.name, *rest] for row, rest in zip(rows, cells, strict=True)])


def _lengths(table: Table) -> str:
    rows = [row for row in table.rows if row.measured.by_length]
    cells = [[row.name, *(cell(spread) for spread in row.measured.by_length)] for row in rows]
    return _grid(["row", "shortest quarter", "second", "third", "longest quarter"], cells)


def _facts(table: Table) -> str:
    rows = [row for row in table.rows if row.facts]
    cells = [[row.name, *(_plain(row.facts.get(name)) for name in FACTS)] for row in rows]
    return _grid(["row", *FACTS.values()], cells)


def _plain(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else number(value)


def cell(spread: Spread, sign: str = "") -> str:
    """E.g. `.812 [.790, .833]`, or with sign `+.021 [-.004, +.046]`; a dash where it is not defined."""
    found = spread.interval()
    estimate, low, high = (number(value, sign) for value in (found.estimate, found.low, found.high))
    return f"{estimate} [{low}, {high}]" if found.estimate == found.estimate else "-"


def number(value: float, sign: str = "") -> str:
    """Three decimals, without the zero before the point; a dash for what is not known."""
    text = f"{value:{sign}.3f}"
    return "-" if value != value else text.replace("0.", ".", 1) if abs(value) < 0.9995 else text


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
