"""Progress bars for work of several kinds, on standard error and only where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reflectgen.commands.show import console


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """A function that is told what is done, how much of it, and of how much; each thing gets a bar of its own."""
    errors = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as shown:
        known = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in known:
                known[what] = shown.add_task(what, total=total)
            shown.update(known[what], completed=done, total=total)

        yield progress
