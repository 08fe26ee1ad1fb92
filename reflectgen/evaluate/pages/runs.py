"""What a folder of cells comes to, as blocks of a page."""

from __future__ import annotations

from collections.abc import Iterator

from reflectgen.evaluate.pages import pictures
from reflectgen.evaluate.pages.document import Block, Heading, Notes, Paragraph, Table
from reflectgen.evaluate.pages.numbers import count, percent, seconds
from reflectgen.evaluate.report import REFERENCE, Entry, Report

HEADER = (
    *("strategy", "k", "budget", "right", "gain", "of tokens"),
    *("tokens", "scored", "prefilled", "passes", "seconds", "wall seconds", "seeds"),
)


def blocks(report: Report, *, drawn: bool) -> Iterator[Block]:
    """The section of a folder of cells; with pictures where they are `drawn`."""
    yield Heading(2, f"Search: {report.title}")
    yield _about(report)
    if report.notes:
        yield Notes(report.notes)
    yield Paragraph(
        f"Right answers in percent with 95 % intervals over problems; gain and share of tokens are against {REFERENCE} of the "
        "same selector, k and budget, paired by problem. Costs are means over problems."
    )
    for select in dict.fromkeys(entry.select for entry in report.entries):
        yield Heading(3, f"Chosen by {select}")
        yield Table(HEADER, [_row(entry) for entry in report.entries if entry.select == select])
    if drawn and (picture := pictures.curves(report)):
        yield picture


def _about(report: Report) -> Table:
    run = report.run
    facts = {
        "folder": str(report.folder),
        "backbone": run.get("backbone"),
        "head": run.get("head"),
        "sampling": ", ".join(f"{name} {value}" for name, value in run.get("sampling", {}).items()),
        **{
            f"machine {number}": ", ".join(f"{name} {value}" for name, value in machine.items())
            for number, machine in enumerate(report.machines, start=1)
        },
    }
    return Table(["", ""], [[name, str(value)] for name, value in facts.items() if value], names=2)


def _row(entry: Entry) -> list[str]:
    return [
        entry.strategy,
        str(entry.k),
        "" if entry.budget is None else f"{entry.budget:,}",
        percent(entry.accuracy),
        percent(entry.gain, signed=True),
        "" if entry.share is None else f"{entry.share.estimate:.0%}",
        *map(count, (entry.tokens.estimate, entry.scored, entry.prefilled, entry.passes)),
        *(seconds(None if found is None else found.estimate) for found in (entry.seconds, entry.wall_seconds)),
        ", ".join(map(str, entry.seeds)),
    ]
