"""`reflectgen report`: what stores of rollouts and folders of `reflectgen eval` come to."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from reflectgen.commands import options as opt

STORES, PAGES = "Of stores", "Files"
"""Panels of the help page."""


def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Stores of rollouts, outputs of reflectgen eval.", show_default=False)
    ],
    k: Annotated[
        str | None,
        typer.Option("--k", "-k", rich_help_panel=STORES, metavar="K,...", help="Traces; 1, 2, 4, ... and all by default."),
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            "--select", "-s", rich_help_panel=STORES, metavar="NAME,...", help="Selectors; all that a store allows by default."
        ),
    ] = None,
    across_models: Annotated[
        bool, typer.Option("--across-models", help="Compare folders of one task although their models differ.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(rich_help_panel=PAGES, metavar="FILE", help="Write one page with tables, plots and examples.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(rich_help_panel=PAGES, metavar="FILE", help="Write the same without plots, as Markdown.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=PAGES,
            metavar="FILE",
            help="Draw accuracy against tokens: a .png or .svg file, or both without ending.",
        ),
    ] = None,
    frontier: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=PAGES,
            metavar="FILE",
            help="Write what --strategy auto reads: frontier.json beside the model's weights.",
        ),
    ] = None,
    as_json: opt.JSONOutput = False,
) -> None:
    """Show what was measured: right answers and their cost, by selector, k and strategy.

    \b
    reflectgen report runs/words
    reflectgen report runs/words --k 8 --select sprm,majority --json
    reflectgen report runs/words runs/eval --html report.html
    reflectgen report runs/before runs/after --across-models --markdown results.md
    reflectgen report runs/eval --plot frontier --frontier my-model/frontier.json

    A store of rollouts is decided over by every selector at every k; an output of
    reflectgen eval holds decided cells. Folders of one task that share problems are
    compared, paired by problem. No model is loaded.
    """
    from reflectgen.commands.book import print_book
    from reflectgen.commands.evaluation import numbers
    from reflectgen.errors import OptionError
    from reflectgen.evaluate import plot as drawing
    from reflectgen.evaluate.book import Book
    from reflectgen.evaluate.pages.book import document
    from reflectgen.evaluate.pages.html import html as as_html
    from reflectgen.evaluate.pages.markdown import markdown as as_markdown
    from reflectgen.evaluate.report import Report
    from reflectgen.model.atomic import write_text
    from reflectgen.rows import check_writable

    plots = [] if plot is None else drawing.files(plot)
    if plots:
        drawing.check_installed()
    files = [*plots, *(file for file in (frontier, html, markdown) if file is not None)]
    for file in files:
        check_writable(file)
    if len(folders) > 1 and (plot or frontier):
        raise OptionError("--plot and --frontier are of one folder: name one, or write --html of several.")
    selects = [name.strip() for name in (select or "").split(",") if name.strip()]
    book = Book.of(folders, ks=numbers("--k", k or ""), selects=selects, across_models=across_models)
    first = book.parts[0]
    if frontier is not None and not isinstance(first, Report):
        raise OptionError(f"--frontier is of an output of reflectgen eval, and {first.folder} is a store: name another folder.")
    print_book(book, as_json=as_json)
    command = ["reflectgen", "report", *map(str, folders)]
    command += [*(["--k", k] if k else []), *(["--select", select] if select else [])]
    command += ["--across-models"] if across_models else []
    if frontier is not None and isinstance(first, Report):
        first.write_frontier(frontier)
    if plot is not None:
        drawing.draw(first, plot)
    if html is not None:
        write_text(html, as_html(document(book, shlex.join([*command, "--html", str(html)]), drawn=True)))
    if markdown is not None:
        write_text(markdown, as_markdown(document(book, shlex.join([*command, "--markdown", str(markdown)]), drawn=False)))
    for file in files:
        typer.echo(f"Written: {file}", err=True)
