"""What heads are worth, as tables that fit 80 columns; all in percent, intervals are 95 %, over problems."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from rich.table import Table

from reflectgen.evaluate.pages.numbers import percent

if TYPE_CHECKING:
    from reflectgen.train.head_only import Fitted
    from reflectgen.train.selection import Figures


def selectors(figures: Figures) -> Table:
    """One line per way to choose."""
    table = _table("chosen by", "right", "- log-prob", "- majority", "AUC", "AUC within")
    table.add_row("pass@1", interval(figures.pass_at_1))
    for name, row in figures.selectors.items():
        table.add_row(
            name,
            interval(row.accuracy),
            "" if name == "logprob" else interval(row.minus_logprob, signed=True),
            "" if name == "majority" else interval(row.minus_majority, signed=True),
            "" if row.auc_pooled is None else f"{100 * row.auc_pooled:.1f}",
            interval(row.auc_within),
        )
    table.add_row("oracle", interval(figures.oracle))
    return table


def summary(figures: Figures) -> str:
    """What was measured, in a line."""
    low, high = figures.samples
    samples = str(low) if low == high else f"{low} to {high}"
    return (
        f"{figures.problems} problems x {samples} traces, {figures.mixed} with right and wrong ones, "
        f"{figures.unfinished:.1%} of the traces cut off."
    )


def gains(figures: Figures) -> str:
    """How much better scores rank the traces of a problem than log-probs do, in a line."""
    found = {name: interval(figures.selectors[name].auc_within_minus_logprob, signed=True) for name in ("sprm", "blend")}
    return "AUC within, less that of log-prob: " + ", ".join(f"{name} {gain}" for name, gain in found.items()) + "."


def layers(found: Mapping[str, Fitted]) -> Table:
    """One line per block whose states were tried."""
    table = _table("states", "sprm", "AUC within", "blend", "AUC within")
    for name, fitted in found.items():
        rows = fitted.validation.selectors
        cells = [interval(value) for row in ("sprm", "blend") for value in (rows[row].accuracy, rows[row].auc_within)]
        table.add_row(name, *cells)
    return table


interval = partial(percent, digits=0)
"""An estimate and its interval, in whole percent; nothing for None."""


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table
