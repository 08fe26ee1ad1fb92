"""`reflectgen report`: what a folder of `reflectgen eval` comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reflectgen.commands import options as opt


def report(
    folder: Annotated[Path, typer.Argument(help="Output of reflectgen eval.", show_default=False)],
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw accuracy against tokens: a .png or .svg file, or both without ending."),
    ] = None,
    frontier: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what --strategy auto reads: frontier.json beside the model's weights."),
    ] = None,
    as_json: opt.JSONOutput = False,
) -> None:
    """Show what search strategies reached for their tokens: tables, JSON or a plot.

    \b
    reflectgen report runs/eval
    reflectgen report runs/eval --plot frontier --json
    reflectgen report runs/eval --frontier my-model/frontier.json

    No model is loaded. Seeds are averaged within a problem; intervals are 95 %
    bootstraps over problems.
    """
    from reflectgen.commands.ways import print_report
    from reflectgen.evaluate import plot as drawing
    from reflectgen.evaluate.report import Report
    from reflectgen.rows import check_writable

    files = [] if plot is None else drawing.files(plot)
    if files:
        drawing.check_installed()
    for file in [*files, *([] if frontier is None else [frontier])]:
        check_writable(file)
    found = Report.of(folder)
    print_report(found, as_json=as_json)
    if frontier is not None:
        found.write_frontier(frontier)
    if plot is not None:
        drawing.draw(found, plot)
    for file in [*files, *([] if frontier is None else [frontier])]:
        typer.echo(f"Written: {file}", err=True)
