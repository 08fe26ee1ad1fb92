"""Runs the application on one port, and stops so that live requests finish, or are told why they do not.

On SIGTERM or SIGINT the service takes no more requests (503) and waits for the live ones as long as the grace says; what is
then not over ends with an error. A second signal ends the grace.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from reflectgen.errors import OptionError
from reflectgen.serve.faults import Fault
from reflectgen.serve.logs import log
from reflectgen.serve.service import Service

BACKLOG = 2048
LAST_WORDS = 5
"""Seconds to send what is left to send after the grace."""
LARGEST_HEADERS = 64 * 1024
"""Bytes."""


def bind(host: str, port: int, *, keys: bool) -> socket.socket:
    """A listening socket; without `keys` only on this machine. Raises `OptionError` where that cannot be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise OptionError(f"The host '{host}' is not known here: give an address of this machine, e.g. 127.0.0.1.") from None
    if not keys and not ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise OptionError(
            f"Others could reach {host}, so the service needs keys: give --api-key-file, or leave --host at 127.0.0.1."
        )
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        why = getattr(error, "strerror", None) or error
        raise OptionError(f"The port {port} on {host} cannot be used ({why}): choose another with --port.") from None
    return listener


class Server(uvicorn.Server):
    """Serves one application."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        config = uvicorn.Config(
            app,
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=max(1, round(service.limits.receive)),
            timeout_graceful_shutdown=LAST_WORDS,
            h11_max_incomplete_event_size=LARGEST_HEADERS,
        )
        super().__init__(config)
        self._service = service
        self.loop: asyncio.AbstractEventLoop
        """The one that serves, once it does."""
        self._stopping: asyncio.Task[None] | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        self.loop = asyncio.get_running_loop()
        await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and say so."""
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            address = f"[{host}]" if ":" in host else host
            log.info("ready", extra={"fields": {"model": self._service.name, "address": f"http://{address}:{port}"}})

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; from any thread."""
        self.loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._drain())
        else:
            self._end()

    async def _drain(self) -> None:
        admission, grace = self._service.admission, self._service.limits.grace
        admission.closed = True
        log.info("stopping", extra={"fields": {"live": admission.live, "waiting": admission.waiting, "grace": grace}})
        try:
            async with asyncio.timeout(grace):
                while admission.live or admission.waiting:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            self._end()
        self.should_exit = True

    def _end(self) -> None:
        """End what is live, in words."""
        self._service.admission.abort(Fault("shutting_down", "The service was stopped before this request was answered."))
        self.should_exit = True


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection on which no whole head of a request arrives in time, however it drips in."""

    _hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        self._expect()

    def handle_events(self) -> None:
        """Bytes have come."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._relax()

    def on_response_complete(self) -> None:
        """The client may ask again; what it has asked already begins here."""
        self._expect()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._relax()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._hurry is None:
            self._hurry = self.loop.call_later(self.timeout_keep_alive, self.transport.close)

    def _relax(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None
