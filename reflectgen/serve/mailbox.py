"""From the engine's thread to the server's event loop: what was put in wakes the reader once, however much it was."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Many writers on any thread, one reader on the loop that made it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._items: deque[T] = deque()
        self._told = False
        self._ready = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether there is something to take."""
        return bool(self._items)

    def put(self, items: Iterable[T]) -> None:
        """Add `items`; from any thread."""
        self._items.extend(items)
        if self._items and not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self._ready.set)

    def wake(self) -> None:
        """Let the reader look, though there may be nothing; from the loop."""
        self._ready.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until there is something, or for so long; False where nothing came."""
        try:
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True

    def take(self) -> list[T]:
        """All that is there."""
        self._ready.clear()
        self._told = False
        taken = []
        while self._items:
            taken.append(self._items.popleft())
        return taken
