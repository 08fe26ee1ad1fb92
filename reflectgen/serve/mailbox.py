"""From the engine's thread to the server's event loop: what was put into mailboxes wakes their readers, many at a time.

A wake-up across threads costs as much as dozens of tokens of a small model. So letters wait for the bell, which rings for all
mailboxes together, a few times a second; what is urgent wakes its reader at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

PAUSE = 0.1
"""Seconds from one ringing of the bell to the next."""


class Bell:
    """Wakes the readers of an event loop together."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._due: deque[asyncio.Event] = deque()
        self._told = False
        self._rang = 0.0

    def ring(self, reader: asyncio.Event) -> None:
        """Wake `reader` at the next ringing; from any thread."""
        self._due.append(reader)
        if not self._told:
            self._told = True
            self.loop.call_soon_threadsafe(self._plan)

    def _plan(self) -> None:
        self.loop.call_at(self._rang + PAUSE, self._ring)

    def _ring(self) -> None:
        self._told, self._rang = False, self.loop.time()
        while self._due:
            self._due.popleft().set()


class Mailbox(Generic[T]):
    """Many writers on any thread, one reader on the loop of the bell."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._items: deque[T] = deque()
        self._told = False
        self._ready = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether there is something to take."""
        return bool(self._items)

    def put(self, items: Iterable[T], *, urgent: bool = False) -> None:
        """Add `items`; from any thread."""
        self._items.extend(items)
        if urgent:
            self._bell.loop.call_soon_threadsafe(self._ready.set)
        elif self._items and not self._told:
            self._told = True
            self._bell.ring(self._ready)

    def wake(self) -> None:
        """Let the reader look, though there may be nothing; from the loop."""
        self._ready.set()

    async def wait(self, seconds: float) -> None:
        """Wait until the reader is woken, or for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            return

    def take(self) -> list[T]:
        """All that is there."""
        self._ready.clear()
        self._told = False
        taken = []
        while self._items:
            taken.append(self._items.popleft())
        return taken
