"""What a person sees while waiting, on standard error and only where that is a terminal: loading, and branches growing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.live import Live
from rich.table import Table

from reflectgen.commands.show import console, number, score_text
from reflectgen.engine.branch import Branch
from reflectgen.load import load
from reflectgen.reflector import Reflector

LINES = 16
"""Branches shown at once."""


def open_model(**arguments: Any) -> Reflector:
    """Load a model as `reflectgen.load` does, saying so meanwhile."""
    with console(stderr=True).status(f"loading {arguments['model']}"):
        return load(**arguments)


class Board:
    """The branches seen so far; it is drawn from another thread than the one that observes."""

    def __init__(self, k: int) -> None:
        self._k = k
        self._branches: dict[str, Branch] = {}

    def observe(self, branch: Branch) -> None:
        """Note that a branch has changed."""
        self._branches[branch.id] = branch

    def draw(self) -> Table:
        """The branches with the best running scores."""
        seen = sorted(list(self._branches.values()), key=lambda branch: branch.score or 0.0, reverse=True)
        done = sum(branch.state in ("finished", "failed") for branch in seen)
        table = Table(box=None, pad_edge=False, title=f"{done} of {self._k} thinkings done", title_justify="left")
        for name in ("branch", "score", "log-prob", "steps", "tokens"):
            table.add_column(name, justify="right")
        table.add_column("state")
        for branch in seen[:LINES]:
            row = (branch.id, score_text(branch.score), number(branch.logprob), str(len(branch.steps)), str(len(branch.ids)))
            table.add_row(*row, branch.state)
        return table


@contextmanager
def board(k: int) -> Iterator[Board]:
    """A board that is drawn while the block runs, where standard error is a terminal."""
    shown, errors = Board(k), console(stderr=True)
    if not errors.is_terminal:
        yield shown
        return
    with Live(get_renderable=shown.draw, console=errors, refresh_per_second=8, transient=True):
        yield shown
