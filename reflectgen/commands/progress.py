"""The progress bar of long work, on standard error and only where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reflectgen.commands.show import console


@contextmanager
def progress(total: int, done: int = 0) -> Iterator[Callable[[int, str], None]]:
    """A bar over `total` things of which `done` are behind us; call what it gives with how many are now, and what to say."""
    errors = console(stderr=True)
    columns = (BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("", total=total, completed=done, told="")
        yield lambda completed, told: bar.update(task, completed=completed, told=told)
