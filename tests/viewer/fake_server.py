"""A server of the viewer that plays recorded events instead of running a model."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import reflectgen

VIEWER = Path(reflectgen.__file__).parent / "viewer"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the viewer must live with."""
Event = dict[str, Any]


@dataclass
class FakeServer:
    """Its address, what it plays, and what it was asked."""

    url: str = ""
    events: Sequence[Event] = ()
    """What it answers any question with."""
    chunk: int = 1
    """Events sent at once."""
    pause: float = 0.002
    """Seconds between what is sent."""
    gate: threading.Event | None = None
    """Where there is one, it is waited for before the answer is told to be chosen."""
    refusal: str = ""
    """The sentence to refuse questions with; none where empty."""
    models: tuple[str, ...] = ("tiny",)
    files: dict[str, str] = field(default_factory=dict)
    """Paths below the root that it also has, e.g. traces."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request."""
    questions: list[dict[str, Any]] = field(default_factory=list)
    """Body of each question."""
    keys: list[str | None] = field(default_factory=list)
    """The authorization of each question."""
    cut_off: threading.Event = field(default_factory=threading.Event)
    """Set when a client hung up before its answer had ended."""


@contextmanager
def serve() -> Iterator[FakeServer]:
    """Serve until the block ends."""
    server = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests.append(("GET", self.path))
            path = self.path.split("?")[0]
            name = "index.html" if path == "/" else path.removeprefix("/viewer/")
            if path == "/v1/models":
                self.give(json.dumps({"object": "list", "data": [{"id": name} for name in server.models]}), ".json")
            elif path in server.files:
                self.give(server.files[path], ".json")
            elif "/" not in name and (VIEWER / name).is_file():
                self.give((VIEWER / name).read_text(encoding="utf-8"), Path(name).suffix)
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            server.requests.append(("POST", self.path))
            server.questions.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            server.keys.append(self.headers["Authorization"])
            if server.refusal:
                self.give(json.dumps({"error": {"message": server.refusal}}), ".json", status=400)
                return
            self.begin(200, "text/event-stream")
            try:
                self.play()
            except (BrokenPipeError, ConnectionResetError):
                server.cut_off.set()

        def play(self) -> None:
            self.send({"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"role": "assistant"}}]})
            for start in range(0, len(server.events), server.chunk):
                for event in server.events[start : start + server.chunk]:
                    if server.gate and event["type"] == "chosen":
                        server.gate.wait()
                    self.send({"id": "x", "object": "chat.completion.chunk", "choices": [], "reflectgen": event})
                time.sleep(server.pause)
            self.wfile.write(b": a comment\n\ndata: [DONE]\n\n")

        def send(self, chunk: dict[str, Any]) -> None:
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

        def give(self, text: str, suffix: str, status: int = 200) -> None:
            self.begin(status, f"{TYPES[suffix]}; charset=utf-8")
            self.wfile.write(text.encode())

        def begin(self, status: int, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Security-Policy", POLICY)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{listener.server_address[1]}/"
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
