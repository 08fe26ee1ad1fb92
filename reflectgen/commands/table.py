"""A study's table in a terminal of 80 columns: figures in percent, and which of them differ clearly from the baseline's."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table as Grid
from rich.text import Text

from reflectgen.commands.show import console
from reflectgen.study.bootstrap import Spread
from reflectgen.study.report import BASELINE, HEADINGS, REFERENCES, Table, TableRow

SHOWN = {
    "auc_within": "AUC\nwithin",
    "best": "best\nof k",
    "blend_auc_within": "blend\nwithin",
    "blend_best": "blend\nbest",
    "weighted": "vote",
    "all_right": "steps\nright",
    "first_error_f1": "error\nF1",
}
"""Figure -> its heading; the other figures are in the file."""
MARKS = {True: ("+", "green"), False: ("-", "red")}
"""Above the baseline: the mark and its colour."""


def show(table: Table, file: Path) -> None:
    """Print the table, what was left out, and where all of it lies."""
    screen = console()
    screen.print(grid(table))
    for row in table.left_out:
        screen.print(Text(f"Left out: {row.section}, {row.name}: {row.reason}", style="yellow"))
    screen.print(
        "\nIn percent; + and - where the 95 % interval of the difference to the baseline, paired by problem, is clear of 0.\n"
        f"Intervals, differences to the baseline and to the mean log-prob, pooled AUC and accuracy by length: {file}",
        markup=False,
    )


def grid(table: Table) -> Grid:
    """One line a row, under the heading of its section."""
    names = [name for name in SHOWN if any(name in row.measured.figures for row in table.rows)]
    found = Grid(box=None, pad_edge=False, header_style="bold")
    found.add_column("row", overflow="fold")
    for name in names:
        found.add_column(SHOWN[name], justify="right", no_wrap=True)
    for section, rows in table.sections().items():
        found.add_row(Text(HEADINGS[section], style="bold"))
        for row in rows:
            differences = {} if section in (REFERENCES, BASELINE) else row.measured.minus(table.baseline.measured)
            found.add_row(f"  {row.name}", *(_cell(row, name, differences.get(name)) for name in names))
    return found


def _cell(row: TableRow, name: str, difference: Spread | None) -> Text:
    """The figure, and its mark."""
    spread = row.measured.figures.get(name)
    if spread is None or spread.estimate != spread.estimate:
        return Text("  ")
    cell = Text(f"{100 * spread.estimate:.1f}")
    found = None if difference is None else difference.interval()
    if found is None or not (found.low > 0 or found.high < 0):  # not clear of 0, or not known
        return cell.append("  ")
    mark, style = MARKS[found.low > 0]
    return cell.append(f" {mark}", style=style)
