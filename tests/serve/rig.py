"""A service over scripts: in process for most tests, and on a real port where connections matter.

Tests import this first: where the extra `serve` is not installed, they are skipped with that reason.
"""
# ruff: noqa: E402

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

for needed in ("fastapi", "uvicorn", "prometheus_client", "httpx"):
    pytest.importorskip(needed, reason=f"the extra `serve` is not installed: there is no {needed}")

import httpx

from reflectgen.config import ServeConfig
from reflectgen.engine.branch import Branch
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.reflector import Reflector
from reflectgen.serve.app import application
from reflectgen.serve.keys import Keys
from reflectgen.serve.server import Server, bind
from reflectgen.serve.service import Service

GOOD = Script("Two and two.\n\nThat is 4.\n\n</think>", reply="So \\boxed{4}", logits=(1.0, 2.0), logprobs=(-0.5,))
POOR = Script("Two and two.\n\nThat is 5.\n\n</think>", reply="So \\boxed{5}", logits=(1.0, -1.0))
ASKED = {"model": "scripted", "messages": [{"role": "user", "content": "What is 2 + 2?"}]}
"""The least that a chat needs."""
KEY = "sk-a-key-of-the-tests"


class SlowEngine(ScriptedEngine):
    """A scripted engine that takes its time for every token."""

    pause = 0.01

    def advance(self, branch: Branch) -> None:
        """Play one token, slowly."""
        time.sleep(self.pause)
        super().advance(branch)


@contextmanager
def serving(
    scripts: Sequence[Script] = (POOR, GOOD),
    *,
    slow: bool = False,
    effort: str = "low",
    engine: Any = None,
    name: str = "scripted",
    **limits: Any,
) -> Iterator[Service]:
    """A service of scripts."""
    played = engine or (SlowEngine if slow else ScriptedEngine)(scripts)
    with Reflector(played, played.encode, notes=["a note"]) as model:
        yield Service(model, name, ServeConfig(**limits), effort=effort)


@asynccontextmanager
async def calling(service: Service, keys: Sequence[str] = (), origins: Sequence[str] = ()) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, without a port between them."""
    transport = httpx.ASGITransport(application(service, Keys(list(keys)), origins))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=30) as client:
        yield client


@contextmanager
def listening(service: Service, keys: Sequence[str] = ()) -> Iterator[tuple[Server, str]]:
    """A server on a free port and its address; it is stopped at the end."""
    listener = bind("127.0.0.1", 0, keys=bool(keys))
    server = Server(application(service, Keys(list(keys))), service)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield server, f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.handle_exit(15, None)
        thread.join(30)
        listener.close()
        assert not thread.is_alive()


def chunks(stream: str) -> list[Any]:
    """The objects of a stream, which must end as a stream does."""
    lines = [line for line in stream.split("\n\n") if line and not line.startswith(":")]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def events(stream: str) -> list[dict[str, Any]]:
    """The search's events in a stream."""
    return [chunk["reflectgen"] for chunk in chunks(stream) if "reflectgen" in chunk]


def told(stream: str, field: str, index: int = 0) -> str:
    """What the deltas of one choice add up to."""
    deltas = [choice["delta"] for chunk in chunks(stream) for choice in chunk["choices"] if choice["index"] == index]
    return "".join(delta.get(field) or "" for delta in deltas)


def fault(answer: httpx.Response) -> tuple[int, str, str | None]:
    """Status, code and param of an error, which must have OpenAI's shape."""
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"].endswith((".", "?"))
    return answer.status_code, error["code"], error["param"]
