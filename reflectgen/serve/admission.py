"""Who is let in: so many requests at once, so many that wait, and the rest are told to come back later."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from reflectgen.config import ServeConfig
from reflectgen.serve.faults import Fault

T = TypeVar("T")


class Admission:
    """The places of a service, taken in order. It lives on one event loop."""

    def __init__(self, limits: ServeConfig) -> None:
        self.limits = limits
        self.closed = False
        """Whether nobody is let in any more."""
        self._live: set[Place] = set()
        self._waiting: deque[Place] = deque()
        self._typical = 1.0
        """Seconds that a request takes, the latest ones counting most."""

    @property
    def live(self) -> int:
        """Requests that are being answered."""
        return len(self._live)

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return len(self._waiting)

    def enter(self) -> Place:
        """A place, or one in the queue; raises a `Fault` where there is none, or where the service is stopping."""
        if self.closed:
            raise Fault("shutting_down", "The service is stopping: ask again in a moment.", headers={"retry-after": "5"})
        if self.live >= self.limits.live and self.waiting >= self.limits.queue:
            ahead = self._typical * (1 + self.waiting / self.limits.live)
            raise Fault(
                "rate_limit_exceeded",
                f"{self.live} requests are being answered and {self.waiting} wait: ask again later.",
                headers={"retry-after": str(min(60, max(1, math.ceil(ahead))))},
            )
        place = Place(self)
        self._waiting.append(place)
        self._call()
        return place

    def abort(self, fault: Fault) -> None:
        """End whatever is live or waits with `fault`."""
        for place in [*self._live, *self._waiting]:
            place.abort(fault)

    def leave(self, place: Place) -> None:
        """`place` is free; a second call does nothing."""
        if place in self._live:
            self._live.remove(place)
            self._typical += 0.2 * (time.monotonic() - place.began - self._typical)
            self._call()
        elif place in self._waiting:
            self._waiting.remove(place)

    def _call(self) -> None:
        while self._waiting and len(self._live) < self.limits.live:
            place = self._waiting.popleft()
            self._live.add(place)
            place.begin()


class Place:
    """One request's place, from its arrival to its end."""

    def __init__(self, admission: Admission) -> None:
        self.began = 0.0
        """When its turn came, on the monotonic clock."""
        self._admission = admission
        self._turn = asyncio.Event()
        self._fault: Fault | None = None
        self._task: asyncio.Task[object] | None = None

    def begin(self) -> None:
        """It is its turn."""
        self.began = time.monotonic()
        self._turn.set()

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` returns, called when it is its turn and cancelled at the deadline. The place is then free."""
        self._task = asyncio.current_task()
        deadline = self._admission.limits.deadline
        try:
            self._check()
            async with asyncio.timeout(deadline):
                await self._turn.wait()
                return await work()
        except TimeoutError:
            raise Fault("deadline_exceeded", f"The request was not answered within {deadline:g} seconds.") from None
        except asyncio.CancelledError:
            self._check()
            raise
        finally:
            self.leave()

    def leave(self) -> None:
        """Free the place; whoever entered and did not `run` must call it."""
        self._admission.leave(self)

    def abort(self, fault: Fault) -> None:
        """End the request with `fault`."""
        self._fault = fault
        if self._task is not None:
            self._task.cancel()

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault from None
