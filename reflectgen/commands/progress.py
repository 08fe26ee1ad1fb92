"""Progress bars of long work, on standard error and only where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reflectgen.commands.show import console


def _drawn() -> Progress:
    """Bars with what is done before them and what is told behind them; they go when the work is done."""
    errors = console(stderr=True)
    texts = (TextColumn("{task.description}"), TextColumn("{task.fields[told]}"))
    columns = (texts[0], BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn(), texts[1])
    return Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)


@contextmanager
def progress(total: int, done: int = 0) -> Iterator[Callable[[int, str], None]]:
    """A bar over `total` things of which `done` are behind us; call what it gives with how many are now, and what to say."""
    with _drawn() as bar:
        task = bar.add_task("", total=total, completed=done, told="")
        yield lambda completed, told: bar.update(task, completed=completed, told=told)


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """A function that is told what is done, how much of it, and of how much; each thing gets a bar of its own."""
    with _drawn() as shown:
        known = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in known:
                known[what] = shown.add_task(what, total=total, told="")
            shown.update(known[what], completed=done, total=total)

        yield update
