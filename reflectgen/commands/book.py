"""What stores and folders of cells come to, and how they compare, as tables that fit 80 columns."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table
from rich.text import Text

from reflectgen.commands.show import console
from reflectgen.commands.ways import print_json, print_report
from reflectgen.evaluate.book import Book
from reflectgen.evaluate.comparison import Comparison
from reflectgen.evaluate.pages.numbers import count, percent
from reflectgen.evaluate.pages.untrusted import on_a_line
from reflectgen.evaluate.stored import Stored
from reflectgen.evaluate.ways import Way

LEGEND = (
    "Right answers in %, with 95 % intervals over problems, expected over all sets of k traces; differences are paired by "
    "problem. --html, --markdown and --json have all k with intervals, costs and the other aggregates."
)


def print_book(book: Book, *, as_json: bool) -> None:
    """All parts, then their comparisons, as tables; or as JSON."""
    if as_json:
        print_json(book.plain())
        return
    for part in book.parts:
        if isinstance(part, Stored):
            _print_store(part)
        else:
            print_report(part, as_json=False)
        console().print()
    for comparison in book.comparisons:
        _print_comparison(comparison)


def _print_store(stored: Stored) -> None:
    out, offline = console(), stored.offline
    ways = [way for way in offline.ways if not way.aggregate]
    out.print(Text(on_a_line(f"{stored.title}: {stored.folder}")), "")
    out.print(at_largest(stored, ways), "")
    if len(offline.ks) > 1:
        out.print(by_k(stored, ways), "")
    out.print(Text(LEGEND, style="dim"))
    for note in stored.notes:
        out.print(Text(note, style="yellow"))


def at_largest(stored: Stored, ways: list[Way]) -> Table:
    """One line a way at the largest k, with intervals."""
    offline, k = stored.offline, stored.offline.ks[-1]
    found = _table(f"At k = {k}, {count(offline.spent(k).tokens_generated)} tokens", "right", "- one trace", "- majority")
    found.add_row("one trace", percent(offline.pass_at_1))
    for way in ways:
        row = offline.row(way, k)
        differences = (row.minus_pass_at_1, row.minus_majority)
        found.add_row(str(way), percent(row.accuracy), *(percent(one, signed=True) for one in differences))
    found.add_row("any right", percent(offline.any_right(k)))
    return found


def by_k(stored: Stored, ways: list[Way]) -> Table:
    """One line a way, and a column a k, without intervals."""
    offline = stored.offline
    found = _table("By k", *map(str, offline.ks))
    found.add_row("tokens", *(count(offline.spent(k).tokens_generated) for k in offline.ks))
    for way in ways:
        found.add_row(str(way), *(f"{100 * offline.estimates[k][way].values.mean():.1f}" for k in offline.ks))
    found.add_row("any right", *(f"{100 * offline.any_right(k).estimate:.1f}" for k in offline.ks))
    return found


def _print_comparison(comparison: Comparison) -> None:
    out = console()
    about = f"{comparison.second} against {comparison.first}: {comparison.problems:,} problems that both have"
    out.print(Text(on_a_line(about)))
    if comparison.differs:
        out.print(Text(f"They differ in {', '.join(name.replace('_', ' ') for name in comparison.differs)}.", style="yellow"))
    out.print("", duels(comparison), "")


def duels(comparison: Comparison) -> Table:
    """One line a way at the largest k that both have, or of cells at every k."""
    largest = max((duel.k for duel in comparison.duels), default=0)
    first, second = _names(comparison.first, comparison.second)
    found = _table("", "k", first, second, "difference", "won", "lost")
    for duel in comparison.duels:
        if duel.k == largest or duel.way not in {other.way for other in comparison.duels if other.k > duel.k}:
            won, lost = (sum(n for name, n in duel.won.items() if name.startswith(run)) for run in ("second", "first"))
            values = (f"{100 * duel.first.estimate:.1f}", f"{100 * duel.second.estimate:.1f}")
            found.add_row(duel.way, str(duel.k), *values, percent(duel.difference, signed=True), str(won), str(lost))
    return found


def _names(first: Path, second: Path) -> tuple[str, str]:
    """Short names of two folders, apart where they end alike."""
    return (first.name, second.name) if first.name != second.name else ("first", "second")


def _table(title: str, *columns: str) -> Table:
    found = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0), title=title or None)
    found.title_justify = "left"
    found.add_column("chosen by", overflow="fold")
    for name in columns:
        found.add_column(name, justify="right", no_wrap=len(name) < 13, overflow="fold")
    return found
