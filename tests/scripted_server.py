"""A local HTTP server that plays a script of answers, for tests of what calls an endpoint."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One answer; `text` becomes a chat completion, unless a `body` is given."""

    text: str = ""
    status: int = 200
    body: str | None = None
    delay: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        completion = {"choices": [{"message": {"role": "assistant", "content": self.text}}], "usage": {"total_tokens": 7}}
        return (json.dumps(completion) if self.body is None else self.body).encode()


@dataclass
class Server:
    """Its address, what it will answer, and what it was asked."""

    answers: Sequence[Answer] | Callable[[str], Answer]
    """In order, the last one again and again; or a function of the question."""
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Path, headers and JSON body of each request."""
    at_once: int = 0
    """Most requests that were being answered together."""
    open: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, question: str) -> Answer:
        with self.lock:
            if callable(self.answers):
                return self.answers(question)
            return self.answers[min(len(self.requests), len(self.answers)) - 1]


@contextmanager
def serve(answers: Sequence[Answer] | Callable[[str], Answer]) -> Iterator[Server]:
    """Serve until the block ends."""
    server = Server(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                server.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
                server.open += 1
                server.at_once = max(server.at_once, server.open)
            answer = server.answer(body["messages"][-1]["content"])
            time.sleep(answer.delay)
            with server.lock:
                server.open -= 1
            self._send(answer)

        def do_GET(self) -> None:
            with server.lock:
                server.requests.append({"path": self.path, "headers": dict(self.headers), "body": None})
            self._send(Answer(status=404))

        def _send(self, answer: Answer) -> None:
            content = answer.encode()
            try:
                self.send_response(answer.status)
                for name, value in {**answer.headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                pass  # whoever asked has given up

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
