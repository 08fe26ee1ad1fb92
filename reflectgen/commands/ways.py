"""What ways to search and to choose are worth, as tables that fit 80 columns: one for each selector."""

from __future__ import annotations

import json
import math
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from reflectgen.commands.show import MARK, console
from reflectgen.evaluate.pages.numbers import percent
from reflectgen.evaluate.report import REFERENCE, Entry, Report
from reflectgen.metrics import Interval

LEGEND = (
    f"Right answers in %, intervals are 95 % over problems. {MARK} nothing is more accurate for as few tokens. "
    f"The last two columns compare with {REFERENCE} at the same selector, k and budget."
)


def print_report(report: Report, *, as_json: bool) -> None:
    """A report as tables or as JSON."""
    if as_json:
        print_json(report.plain())
        return
    out = console()
    out.print(Text(_about(report)), "")
    for select in dict.fromkeys(entry.select for entry in report.entries):
        out.print(table(select, [entry for entry in report.entries if entry.select == select]), "")
    out.print(Text(LEGEND, style="dim"))
    for note in report.notes:
        out.print(Text(note, style="yellow"))


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


def spread(found: Interval) -> str:
    """An estimate and half the width of its interval."""
    return f"{found.estimate:,.0f} ±{(found.high - found.low) / 2:,.0f}"


def _about(report: Report) -> str:
    run = report.run
    return f"{run['model']} ({run['backbone']}) on {run['task']}, {run['problems']['count']:,} problems: {report.folder}"


def print_json(plain: dict[str, Any]) -> None:
    """As JSON, which has no NaN."""
    typer.echo(json.dumps(_finite(plain), ensure_ascii=False, indent=2))


def _finite(value: Any) -> Any:
    """What is not known is null."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
