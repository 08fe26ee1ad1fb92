"""An event loop on a thread of its own: plain calls from anywhere, also from inside a notebook's running loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from reflectgen.errors import OptionError

T = TypeVar("T")


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What all of `works` return, in their order; where one fails, or the caller is cancelled, the others are given up."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


class Background:
    """Runs coroutines on its own loop. Interrupting a caller cancels what it waited for."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._closing = False
        self._lock = threading.Lock()  # between the last work and `close`
        self._thread = threading.Thread(target=self._loop.run_forever, name="reflectgen", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether it was stopped."""
        return self._closing

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `work`. Raises `OptionError` after `close`."""
        with self._lock:
            if not self.closed:
                return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise OptionError("This model was closed: load it again.")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` and return what it returns."""
        future = self.submit(work)
        try:
            return future.result()
        finally:
            future.cancel()

    def as_completed(self, works: Iterable[Coroutine[Any, Any, T]], limit: int) -> Iterator[T]:
        """Do all of `works`, at most `limit` at a time, and yield what they return as they end.

        The first error ends it; what is still running then, or when the iterator is dropped, is cancelled.
        """
        running: set[Future[T]] = set()
        try:
            for work in works:
                running.add(self.submit(work))
                if len(running) >= limit:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            for future in running:
                future.cancel()

    def close(self) -> None:
        """Cancel what still runs, so that whoever waits for it is told, and stop the loop."""
        with self._lock:
            self._closing = True
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    """Cancel all other tasks of this loop and wait for them."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
