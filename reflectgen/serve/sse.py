"""Server-sent events: how they are written, and a response that ends its work when the client goes away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from reflectgen.errors import ReflectgenError
from reflectgen.serve.faults import Fault, of_library, unforeseen
from reflectgen.serve.logs import log

T = TypeVar("T")

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment, which clients pass over."""
DONE = b"data: [DONE]\n\n"


def data(value: Any) -> bytes:
    """One event that holds `value`."""
    return b"data: " + to_json(value, inf_nan_mode="null") + b"\n\n"


def named(name: str, value: Any) -> bytes:
    """One event that holds `value` and has a name."""
    return b"event: " + name.encode() + b"\n" + data(value)


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; it is cancelled where the client goes away first, which is a fault that nobody will read."""
    return await _unless(gone(receive), work)


async def gone(receive: Receive) -> None:
    """Wait until the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _unless(lost: Coroutine[Any, Any, None], work: Coroutine[Any, Any, T]) -> T:
    working, losing = asyncio.ensure_future(work), asyncio.ensure_future(lost)
    try:
        await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Fault("client_closed_request", "The client has gone away.")
    finally:
        losing.cancel()
        working.cancel()
        await asyncio.gather(working, losing, return_exceptions=True)


class EventStream(Response):
    """Sends what `source` yields. A fault becomes the last event, so that no stream is cut without a word."""

    media_type = "text/event-stream"

    def __init__(self, source: AsyncGenerator[bytes, None], patience: float, close: Callable[[], None]) -> None:
        """`patience` is how many seconds a client may leave what it is sent unread; `close` is called at the end, however
        it came.
        """
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._source, self._patience, self._close = source, patience, close
        self._writing: float | None = None
        """Since when the client is waited for, on the monotonic clock."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all."""
        try:
            await _unless(self._lost(receive), self._send(send, scope["state"]["id"]))
        except Fault:
            scope["state"]["gone"] = True
        finally:
            self._close()

    async def _lost(self, receive: Receive) -> None:
        """Wait until the client goes away, or reads no longer; that is looked at now and then, since writes are many."""
        while self._writing is None or time.monotonic() - self._writing < self._patience:
            try:
                async with asyncio.timeout(self._patience):
                    return await gone(receive)
            except TimeoutError:
                continue

    async def _send(self, send: Send, id: str) -> None:
        async def write(message: Message) -> None:
            self._writing = time.monotonic()
            await send(message)
            self._writing = None

        await write({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self._chunks(id)) as chunks:
            async for chunk in chunks:
                await write({"type": "http.response.body", "body": chunk, "more_body": True})
        await write({"type": "http.response.body", "body": b""})

    async def _chunks(self, id: str) -> AsyncGenerator[bytes, None]:
        """What the source yields; where it fails, the reason as the last event."""
        async with aclosing(self._source) as source:
            try:
                async for chunk in source:
                    yield chunk
            except Fault as fault:
                yield data(fault.body)
            except ReflectgenError as error:
                yield data(of_library(error).body)
            except Exception:
                log.exception("A stream failed.", extra={"fields": {"id": id}})
                yield data(unforeseen(id).body)
