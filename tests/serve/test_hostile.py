"""What clients may send that no client should: the server answers, never with a 500, and goes on."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from serve.rig import ASKED, GOOD, POOR, httpx, listening, serving

PATH = "/v1/chat/completions"
HEAD = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method"


def searching(k: int, **settings: Any) -> bytes:
    """A chat that asks for a strategy with these settings."""
    return json.dumps(ASKED | {"reflectgen": {"strategy": "budget", "k": k, "settings": settings}}).encode()


BODIES = {
    "deep arrays": b"[" * 500_000,
    "deep objects": b'{"a":' * 200_000,
    "a deep message": b'{"model": "scripted", "messages": ' + b"[" * 150 + b"]" * 150 + b"}",
    "a long number": b'{"model": "scripted", "n": ' + b"9" * 100_000 + b"}",
    "not UTF-8": b'{"model": "\xff\xfe"}',
    "UTF-16": json.dumps(ASKED).encode("utf-16"),
    "UTF-32": json.dumps(ASKED).encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(ASKED).encode(),
    "half a surrogate": b'{"model": "scripted", "messages": [{"role": "user", "content": "\\ud800"}]}',
    "half a surrogate in a name": b'{"\\udfff": 1}',
    "NUL": b'{"model": "scripted", "messages": [{"role": "user", "content": "a\\u0000b"}]}',
    "bare NUL": b'{"model": "scripted\x00"}',
    "many keys": json.dumps({f"k{i}": i for i in range(100_000)}).encode(),
    "many messages": json.dumps(ASKED | {"messages": ASKED["messages"] * 20_000}).encode(),
    "a long text": json.dumps(ASKED | {"messages": [{"role": "user", "content": "a" * 1_900_000}]}).encode(),
    "long settings": searching(k=1, nudge="x" * 1_000_000, least=10**6),
    "endless settings": searching(k=1, nudge="", least=10**15, times=10**15),
    "settings without an end to wait for": searching(k=1, least=0, times=10**15),
    "infinity": b'{"model": "scripted", "temperature": 1e999}',
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving([POOR, GOOD], deadline=3, receive=5) as service, listening(service) as (_, url):
        yield url


def talk(url: str, *parts: bytes, wait: float = 10) -> bytes:
    """What a server says to these bytes before it closes, or falls silent."""
    host, port = url.removeprefix("http://").split(":")
    said = b""
    with socket.create_connection((host, int(port)), timeout=wait) as connection, suppress(OSError):
        with suppress(OSError):
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(65536):
            said += more
    return said


def status(said: bytes) -> int:
    found = re.match(rb"HTTP/1.1 (\d+)", said)
    assert found, said[:200]
    return int(found[1])


@pytest.mark.parametrize("name", BODIES)
def test_bodies(url: str, name: str) -> None:
    answer = httpx.post(url + PATH, content=BODIES[name], headers={"content-type": "application/json"}, timeout=20)
    assert answer.status_code in (200, 400, 413, 504), answer.text
    assert httpx.get(url + "/healthz").status_code == 200


def test_a_hundred_megabytes_are_refused_told_or_untold(url: str) -> None:
    length = 100 * 2**20
    assert status(talk(url, f"{HEAD}content-length: {length}\r\n\r\n".encode())) == 413
    chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    assert status(talk(url, HEAD.encode(), b"transfer-encoding: chunked\r\n\r\n", *[chunk] * 20)) == 413


@pytest.mark.parametrize(
    "parts",
    [
        ("".join(f"x-{i}: {i}\r\n" for i in range(10_000)), "\r\n"),
        ("x-long: " + "a" * 200_000 + "\r\n\r\n",),
        ("content-length: 10\r\ncontent-length: 20\r\n\r\n",),
        ("content-length: -1\r\n\r\n",),
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", "zz\r\n"),
        ("x: \x00\r\n\r\n",),
        ("upgrade: websocket\r\nconnection: upgrade\r\ncontent-length: 0\r\n\r\n",),
    ],
)
def test_heads(url: str, parts: tuple[str, ...]) -> None:
    said = talk(url, HEAD.encode(), *(part.encode() for part in parts))
    assert said == b"" or status(said) in (400, 408, 413, 431)  # closed while we were still sending, or told
    assert httpx.get(url + "/healthz").status_code == 200


def test_half_a_body_then_silence_or_nothing(url: str) -> None:
    half = f"{HEAD}content-length: 1000\r\n\r\n{{".encode()
    endless = f"{HEAD}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n".encode()
    assert talk(url, half) == talk(url, endless) == b""  # our side is closed, so that there is nothing to wait for
    for gibberish in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"\r\n" * 1000, b"GET / HTTP/9.9\r\n\r\n"):
        said = talk(url, gibberish)
        assert said == b"" or status(said) in (400, 403)
    assert httpx.get(url + "/healthz").status_code == 200


def test_a_hundred_connections_that_drip_keep_nobody_out(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    dripping = [socket.create_connection((host, int(port))) for _ in range(100)]
    try:
        for connection in dripping:
            connection.sendall(HEAD.encode()[:20])
        began = time.monotonic()
        assert httpx.post(url + PATH, json=ASKED, timeout=20).status_code == 200
        assert time.monotonic() - began < 4
    finally:
        for connection in dripping:
            connection.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_thousand_cases_made_from_the_openapi_document(url: str, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    command = [
        str(Path(sys.executable).with_name("st")), "run", f"{url}/openapi.json", "--checks", CHECKS, "--max-examples", "250",
        "--seed", "1", "--phases", "coverage,fuzzing", "--request-timeout", "20", "--suppress-health-check", "all",
    ]  # fmt: skip
    paths = os.pathsep.join(map(str, (Path(__file__).parent.parent, Path(__file__).parent.parent.parent)))
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "serve.fuzz_hooks", "PYTHONPATH": paths}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:]
    generated = re.search(r"([\d,]+) generated", done.stdout)
    assert generated and int(generated[1].replace(",", "")) >= 2000, done.stdout[-2000:]
    assert httpx.post(url + PATH, json=ASKED, timeout=20).status_code == 200
