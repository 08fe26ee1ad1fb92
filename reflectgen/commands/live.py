"""What a person sees while waiting, on standard error and only where that is a terminal: loading, and branches growing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.live import Live
from rich.table import Table

from reflectgen.commands.show import console, number, score_text
from reflectgen.engine.branch import Branch
from reflectgen.engine.tree import Tree
from reflectgen.load import load
from reflectgen.reflector import Reflector
from reflectgen.search.pool import thinks

LINES = 16
"""Branches shown at once."""


def open_model(**arguments: Any) -> Reflector:
    """Load a model as `reflectgen.load` does, saying so meanwhile."""
    with console(stderr=True).status(f"loading {arguments['model']}"):
        return load(**arguments)


class Board:
    """All branches of a search; it is drawn from another thread than the one that observes."""

    def __init__(self) -> None:
        self._trees: dict[Tree, None] = {}

    def observe(self, branch: Branch) -> None:
        """Note that a branch has changed."""
        self._trees[branch.tree] = None

    def draw(self) -> Table:
        """The branches with the best running scores, cancelled ones last."""
        branches = [branch for tree in list(self._trees) for branch in list(tree.branches)]
        seen = sorted(branches, key=lambda branch: (branch.state == "cancelled", -(branch.score or 0.0)))
        table = Table(box=None, pad_edge=False, title=counts(branches), title_justify="left")
        for name in ("branch", "score", "log-prob", "steps", "tokens"):
            table.add_column(name, justify="right")
        table.add_column("state")
        for branch in seen[:LINES]:
            row = (branch.id, score_text(branch.score), number(branch.logprob), str(len(branch.steps)), str(len(branch.ids)))
            table.add_row(*row, branch.state)
        return table


def counts(branches: Sequence[Branch]) -> str:
    """How many thinkings are over, and how many go on; more may be begun or forked, so there is no total."""
    live = sum(map(thinks, branches))
    lost = {state: sum(branch.state == state for branch in branches) for state in ("cancelled", "failed")}
    done = len(branches) - live - sum(lost.values())
    told = [f"{count} {state}" for state, count in lost.items() if count]
    return ", ".join([f"{done} thinking{'' if done == 1 else 's'} done", f"{live} live", *told])


@contextmanager
def board() -> Iterator[Board]:
    """A board that is drawn while the block runs, where standard error is a terminal."""
    shown, errors = Board(), console(stderr=True)
    if not errors.is_terminal:
        yield shown
        return
    with Live(get_renderable=shown.draw, console=errors, refresh_per_second=8, transient=True):
        yield shown
