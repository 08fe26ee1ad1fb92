"""An engine that advances its live branches in turn, one token each, on the event loop: the base of the simple engines.

It knows nothing of how a token is drawn. Between two rounds it yields to the event loop once, so that strategies run
between tokens as they do over an engine that computes in a thread of its own.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reflectgen.engine.base import room
from reflectgen.engine.branch import Branch, Pace
from reflectgen.engine.grammar import Grammar
from reflectgen.engine.tree import Tree

if TYPE_CHECKING:
    from reflectgen.config import Sampling


class TurnEngine(ABC):
    """Holds the branches of all trees and gives each live one its turn; `advance` draws the token."""

    notes: Sequence[str] = ()

    def __init__(self, grammar: Grammar, context: int) -> None:
        self.grammar = grammar
        self.context = context
        self._held: dict[Branch, None] = {}
        self._driver: asyncio.Task[None] | None = None

    @abstractmethod
    def advance(self, branch: Branch) -> None:
        """Settle the live `branch` where it awaits a state, else draw its next token."""

    def play_round(self, live: Sequence[Branch]) -> None:
        """Give each of `live` its turn."""
        for branch in live:
            if branch.state == "live":
                self._turn(branch)

    @property
    def waiting(self) -> int:
        """Branches that wait for a place: none, every branch is served at once."""
        return 0

    @property
    def held(self) -> int:
        """Branches that have not been freed."""
        return len(self._held)

    def branches(self, prompt: Sequence[int], n: int, sampling: Sampling, seed: int, pace: Pace = "free") -> list[Branch]:
        """`n` live branches from the prompt; must be called while an event loop runs."""
        tree = Tree(prompt, sampling, seed, pace, room(prompt, self.context), self.grammar, self)
        grown = tree.grow(n)
        for branch in grown:
            self.wake(branch)
        return grown

    def wake(self, branch: Branch) -> None:
        """Give `branch` its turns from now on."""
        self._held[branch] = None
        if self._driver is None or self._driver.done():
            self._driver = asyncio.get_running_loop().create_task(self._drive())

    def release(self, branch: Branch) -> None:
        """Forget `branch`."""
        self._held.pop(branch, None)

    async def close(self) -> None:
        """Cancel every branch that has not ended."""
        for branch in list(self._held):
            branch.cancel()
        if self._driver is not None:
            await self._driver

    async def _drive(self) -> None:
        while live := [branch for branch in self._held if branch.state == "live"]:
            self.play_round(live)
            await asyncio.sleep(0)

    def _turn(self, branch: Branch) -> None:
        """One turn; an error in it fails this branch and no other."""
        try:
            self.advance(branch)
        except Exception as error:
            branch.fail(f"{type(error).__name__}: {error}")
