"""How two runs compare, as blocks of a page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from reflectgen.evaluate.comparison import EDGES, Comparison, Duel
from reflectgen.evaluate.pages.document import Block, Heading, Paragraph, Table
from reflectgen.evaluate.pages.numbers import percent

WON = ("second by {wide} or more", "second by {narrow} to {wide}", "second by less", "level")
"""Columns of who wins how much, from the second run's side; the first's follow, mirrored."""


def blocks(comparison: Comparison) -> Iterator[Block]:
    """The section of a comparison."""
    yield Heading(2, f"{comparison.second} against {comparison.first}")
    left = [f"{count:,} of {name}" for name, count in _left(comparison).items() if count]
    beside = f" ({' and '.join(left)} are left out)" if left else ""
    yield Paragraph(f"{comparison.task}, the {comparison.problems:,} problems that both have{beside}. Paired by problem.")
    if comparison.differs:
        rows = [[name.replace("_", " "), *map(_short, values)] for name, values in comparison.differs.items()]
        yield Table(["what differs", str(comparison.first), str(comparison.second)], rows, names=3)
    yield Table(
        ["way", "k", str(comparison.first), str(comparison.second), "difference"],
        [
            [*_named(duel), percent(duel.first), percent(duel.second), percent(duel.difference, signed=True)]
            for duel in comparison.duels
        ],
        names=2,
    )
    yield from _wins(comparison)


def _wins(comparison: Comparison) -> Iterator[Block]:
    """Who wins where, at the largest k."""
    largest = max((duel.k for duel in comparison.duels), default=0)
    duels = [duel for duel in comparison.duels if duel.k == largest]
    yield Heading(3, f"Who wins where, at k = {largest}")
    yield Paragraph(f"Problems by the gap between the two: first is {comparison.first}, second {comparison.second}.")
    names = _buckets()
    yield Table(["way", "k", *names], [[*_named(duel), *(f"{duel.won[name]:,}" for name in names)] for duel in duels], names=2)
    for duel in duels:
        if duel.gaps and duel.way in ("sprm", "majority", duels[0].way):
            yield Paragraph(f"The widest gaps under {duel.way}, right answers in percent:")
            yield Table(
                ["problem", "first", "second", "gap"],
                [
                    [
                        gap.problem,
                        *(f"{100 * value:.0f}" for value in (gap.first, gap.second)),
                        f"{100 * (gap.second - gap.first):+.0f}",
                    ]
                    for gap in duel.gaps
                ],
            )


def _buckets() -> list[str]:
    wide, narrow = EDGES
    seconds = [name.format(wide=wide, narrow=narrow) for name in WON]
    return [*seconds, *(name.replace("second", "first") for name in reversed(seconds[:-1]))]


def _left(comparison: Comparison) -> dict[str, int]:
    return {str(comparison.first): comparison.only_first, str(comparison.second): comparison.only_second}


def _named(duel: Duel) -> list[str]:
    return [duel.way if duel.budget is None else f"{duel.way}, budget {duel.budget:,}", str(duel.k)]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:199]}…"
