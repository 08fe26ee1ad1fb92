"""What ways to search and to choose are worth, as tables that fit 80 columns: one for each selector."""

from __future__ import annotations

import json
import math
from functools import partial
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from reflectgen.commands.selection import interval
from reflectgen.commands.show import MARK, console
from reflectgen.evaluate.report import REFERENCE, Entry, Report
from reflectgen.metrics import Interval

LEGEND = (
    f"Right answers in %, intervals are 95 % bootstraps over problems. {MARK} nothing is more accurate for as few tokens. "
    f"The last two columns compare with {REFERENCE} at the same selector, k and budget."
)


def print_report(report: Report, *, as_json: bool) -> None:
    """A report as tables or as JSON."""
    if as_json:
        typer.echo(json.dumps(_finite(report.plain()), ensure_ascii=False, indent=2))
        return
    out = console()
    out.print(Text(_about(report)), "")
    for select in dict.fromkeys(entry.select for entry in report.entries):
        out.print(table(select, [entry for entry in report.entries if entry.select == select]), "")
    out.print(Text(LEGEND, style="dim"))
    if report.missing:
        out.print(Text(f"{report.missing} cells are not finished: the command that began them goes on.", style="yellow"))


def table(select: str, entries: list[Entry]) -> Table:
    """One line per strategy, k and budget."""
    timed = any(entry.wall_seconds for entry in entries)
    limited = any(entry.budget is not None for entry in entries)
    found = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0), title=f"Chosen by {select}")
    found.title_justify = "left"
    found.add_column("")
    found.add_column("strategy", overflow="fold")
    names = ["k", *(["budget"] if limited else []), "right", "tokens", *(["s"] if timed else []), "gain", "of tokens"]
    for name in names:
        found.add_column(name, justify="right", no_wrap=True)
    for entry in entries:
        found.add_row(
            MARK if entry.efficient else "",
            entry.strategy.replace(":", ": ", 1).replace(",", ", "),
            str(entry.k),
            *(["" if entry.budget is None else f"{entry.budget:,}"] if limited else []),
            percent(entry.accuracy),
            spread(entry.tokens),
            *(["" if entry.wall_seconds is None else f"{entry.wall_seconds.estimate:.3g}"] if timed else []),
            percent(entry.gain, signed=True),
            "" if entry.share is None else f"{entry.share.estimate:.0%}",
        )
    return found


percent = partial(interval, digits=1)
"""An estimate and its interval, in percent; nothing for None."""


def spread(found: Interval) -> str:
    """An estimate and half the width of its interval."""
    return f"{found.estimate:,.0f} ±{(found.high - found.low) / 2:,.0f}"


def _about(report: Report) -> str:
    run = report.run
    return f"{run['model']} ({run['backbone']}) on {run['task']}, {run['problems']['count']:,} problems: {report.folder}"


def _finite(value: Any) -> Any:
    """JSON has no NaN: what is not known is null."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
