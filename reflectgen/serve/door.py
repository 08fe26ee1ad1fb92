"""The door of a service: what every request passes before its route, and every response on its way out.

In this order: an id, who may ask (keys, hosts, origins), the whole body within its limits of size and time; and on the way out
the headers that keep browsers careful, one line in the log, one count. What nobody foresaw ends as a 500 that holds the id.
Where other origins are allowed, their browsers' preflights are answered before it (`reflectgen.serve.app`).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reflectgen.errors import OptionError
from reflectgen.serve.answer import json_response
from reflectgen.serve.faults import KINDS, Fault, unforeseen
from reflectgen.serve.keys import Keys
from reflectgen.serve.logs import log
from reflectgen.serve.service import Service

OPEN = ("/", "/healthz", "/readyz")
"""Paths without a key, and those below `/viewer/`."""
LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names by which a service on loopback may be called: any other is a page that had its name point here."""
GONE = KINDS["client_closed_request"][0]
PORT = re.compile(r":\d+$")
ORIGIN = re.compile(r"https?://[^/*\s]+")
ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Added to every response that does not say otherwise."""


def check_origins(origins: Sequence[str]) -> None:
    """Raise `OptionError` for what no page has as its origin."""
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            raise OptionError(f"'{origin}' is no web origin: give scheme and host alone, e.g. https://app.example.")


class Door:
    """Stands before the application. Only HTTP passes."""

    def __init__(self, app: ASGIApp, service: Service, keys: Keys, origins: Sequence[str]) -> None:
        """`origins` are pages elsewhere that may ask; without `keys` only this machine may."""
        self._app, self._service, self._keys, self._origins = app, service, keys, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        assert scope["type"] == "http", "the server offers nothing else"
        visit = _Visit(scope, send)
        try:
            self._check(scope["path"], Headers(scope=scope))
            await self._app(scope, await self._body(scope, receive), visit.send)
        except Fault as fault:
            await visit.refuse(fault, receive)
        except Exception:
            log.exception("A request failed.", extra={"fields": {"id": visit.id}})
            await visit.refuse(unforeseen(visit.id), receive)
        finally:
            self._service.metrics.answered(visit.route, visit.status)
            log.info("request", extra={"fields": visit.line()})

    def _check(self, path: str, headers: Headers) -> None:
        """Raise a `Fault` for whoever may not ask."""
        host = headers.get("host", "")
        if not self._keys and PORT.sub("", host) not in LOCAL:
            raise Fault("forbidden", f"A service without API keys answers to localhost, not to '{host[:100]}'.")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host and origin not in self._origins:
            raise Fault("forbidden", "Pages of other origins may not ask: allow theirs with --allow-origin.")
        public = path in OPEN or path.startswith("/viewer/")
        given = headers.get("authorization", "").encode("latin-1")
        if self._keys and not public and not self._keys.open(given):
            message = "The API key is wrong." if given else "An API key is needed: send it as 'Authorization: Bearer KEY'."
            raise Fault("invalid_api_key", message, headers={"www-authenticate": "Bearer"})

    async def _body(self, scope: Scope, receive: Receive) -> Receive:
        """Read the whole body; what it returns gives it out again, and then what comes after it."""
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            return receive
        limits, body = self._service.limits, bytearray()
        length = Headers(scope=scope).get("content-length", "")
        try:
            async with asyncio.timeout(limits.receive):
                more = True
                while more:
                    if len(body) > limits.body or (length.isdigit() and int(length) > limits.body):
                        raise Fault("request_too_large", f"The request is too large: this service takes {limits.body:,} bytes.")
                    message = await receive()
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
        except TimeoutError:
            raise Fault("request_timeout", f"The request did not arrive within {limits.receive:g} seconds.") from None
        if message["type"] == "http.disconnect":
            raise Fault("client_closed_request", "The client has gone away.")
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def again() -> Message:
            return whole.pop() if whole else await receive()

        return again


class _Visit:
    """One request and the response to it."""

    def __init__(self, scope: Scope, send: Send) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        self.id = given if ID.fullmatch(given) else f"req-{uuid4().hex}"
        self._status = GONE
        self._scope, self._send = scope, send
        self._state = scope.setdefault("state", {})
        self._state["id"] = self.id
        self._began = time.perf_counter()
        self._started = False

    @property
    def route(self) -> str:
        """The route's path; of a request that found none "other", so that no client makes up series."""
        return str(getattr(self._scope.get("route"), "path", "other"))

    @property
    def status(self) -> int:
        """What the client was told, if it stayed to be told."""
        return GONE if self._state.get("gone") else self._status

    def line(self) -> dict[str, object]:
        """What the log says."""
        return {
            "id": self.id,
            "method": self._scope["method"],
            "route": self.route,
            "status": self.status,
            "seconds": round(time.perf_counter() - self._began, 4),
            **self._state.get("about", {}),
        }

    async def send(self, message: Message) -> None:
        """Pass on what the application sends."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers["x-request-id"] = self.id
            self._started, self._status = True, message["status"]
        await self._send(message)

    async def refuse(self, fault: Fault, receive: Receive) -> None:
        """Answer with `fault`, unless an answer has begun, or nobody waits for one."""
        if not self._started and fault.code != "client_closed_request":
            await json_response(fault.body, fault.status_code, dict(fault.headers or {}))(self._scope, receive, self.send)
