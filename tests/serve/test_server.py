"""A real port: clients that go away, drip or break off, and a stop that nobody's answer is lost to."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import time
from typing import Any

import pytest
from serve.rig import ASKED, calling, fault, httpx, listening, serving

from reflectgen.engine.scripted import Script
from reflectgen.errors import OptionError
from reflectgen.serve.server import bind
from reflectgen.serve.service import Service

PATH = "/v1/chat/completions"
LONG = Script("One.\n\n" * 400 + "</think>", reply="4", logits=(1.0,))


def wait(service: Service, live: int, seconds: float = 10) -> None:
    """Until so many requests are live and no more branches than they need."""
    end = time.monotonic() + seconds
    engine: Any = service.model.engine
    while service.admission.live != live or (live == 0 and engine.held):
        assert time.monotonic() < end, f"{service.admission.live} live, {engine.held} branches"
        time.sleep(0.005)


def address(url: str) -> tuple[str, int]:
    """Where a service listens."""
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


def posted(asked: dict[str, Any], *headers: str) -> bytes:
    """A chat as it is sent."""
    body = json.dumps(asked).encode()
    given = ("host: localhost", "content-type: application/json", f"content-length: {len(body)}", *headers)
    return "\r\n".join((f"POST {PATH} HTTP/1.1", *given, "", "")).encode() + body


@pytest.mark.parametrize("streamed", [True, False])
def test_whoever_goes_away_is_thought_about_no_longer(streamed: bool) -> None:
    with serving([LONG], slow=True) as service, listening(service) as (_, url), httpx.Client(base_url=url) as client:
        with socket.create_connection(address(url)) as connection:
            connection.sendall(posted(ASKED | {"stream": streamed}))
            wait(service, live=1)
        wait(service, live=0)
        counted = f'reflectgen_requests_total{{code="499",route="{PATH}"}} 1.0'
        end = time.monotonic() + 10
        while counted not in client.get("/metrics").text:
            assert time.monotonic() < end
            time.sleep(0.005)
        assert client.get("/readyz").status_code == 200


def test_what_was_written_for_who_went_away_is_counted() -> None:
    with serving([LONG], slow=True) as service, listening(service) as (_, url), httpx.Client(base_url=url) as client:
        asked = ASKED | {"stream": True, "reflectgen": {"stream_steps": True}}
        with client.stream("POST", PATH, json=asked) as answer:
            lines = answer.iter_lines()
            while '"type":"step"' not in next(lines):
                pass
        wait(service, live=0)
        text = client.get("/metrics").text
        (generated,) = re.findall(r'reflectgen_tokens_total\{kind="generated"\} ([\d.]+)', text)
        assert float(generated) > 2
        assert 'reflectgen_branches_total{finish="cancelled"} 2.0' in text
        assert "reflectgen_time_to_answer_seconds_count 0.0" in text


def test_who_asks_again_before_the_answer_is_not_cut_off() -> None:
    with serving([LONG], slow=True, receive=1) as service, listening(service) as (_, url):
        asked = ASKED | {"reasoning_effort": "none", "max_completion_tokens": 150}
        with socket.create_connection(address(url)) as connection:
            connection.settimeout(60)
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n" + posted(asked, "connection: close"))
            told = b"".join(iter(lambda: connection.recv(65536), b""))
    assert told.count(b"HTTP/1.1 200") == 2 and b"chat.completion" in told


def test_whoever_waits_and_goes_away_leaves_the_queue() -> None:
    asked = ASKED | {"stream": True}
    with (
        serving([LONG], slow=True, live=1, queue=1) as service,
        listening(service) as (_, url),
        httpx.stream("POST", url + PATH, json=asked) as first,
    ):
        lines = [first.iter_lines()]
        assert next(lines[0])
        with httpx.stream("POST", url + PATH, json=asked) as second:
            lines.append(second.iter_lines())
            assert next(lines[1])
            assert service.admission.waiting == 1
        while service.admission.waiting:
            time.sleep(0.005)
        assert service.admission.live == 1


async def test_live_requests_finish_when_the_service_stops_and_new_ones_are_refused() -> None:
    with serving(slow=True, grace=20) as service, listening(service) as (server, url):
        async with httpx.AsyncClient(base_url=url) as client:
            whole = asyncio.create_task(client.post(PATH, json=ASKED))
            streamed = asyncio.create_task(client.post(PATH, json=ASKED | {"stream": True}))
            while service.admission.live < 2:
                await asyncio.sleep(0.005)
            server.handle_exit(signal.SIGTERM, None)
            while not service.admission.closed:
                await asyncio.sleep(0.005)
            assert fault(await client.post(PATH, json=ASKED)) == (503, "shutting_down", None)
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/healthz")).status_code == 200
            assert (await whole).json()["choices"][0]["message"]["content"] == "So \\boxed{4}"
            assert (await streamed).text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("again", [True, False])
async def test_what_is_not_over_within_the_grace_is_told_so(again: bool) -> None:
    with serving([LONG], slow=True, grace=20 if again else 0.1) as service, listening(service) as (server, url):
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            whole = asyncio.create_task(client.post(PATH, json=ASKED))
            streamed = asyncio.create_task(client.post(PATH, json=ASKED | {"stream": True}))
            while service.admission.live < 2:
                await asyncio.sleep(0.005)
            server.handle_exit(signal.SIGTERM, None)
            if again:
                server.handle_exit(signal.SIGTERM, None)
            assert fault(await whole) == (503, "shutting_down", None)
            *_, last = (await streamed).text.strip().split("\n\n")
            assert json.loads(last.removeprefix("data: "))["error"]["code"] == "shutting_down"


def test_a_head_that_drips_is_not_waited_for() -> None:
    with serving(receive=1) as service, listening(service) as (_, url):
        with socket.create_connection(address(url)) as connection:
            connection.settimeout(10)
            began = time.monotonic()
            closed = False
            while not closed and time.monotonic() - began < 10:
                try:
                    connection.sendall(b"G")
                    time.sleep(0.2)
                    closed = time.monotonic() - began > 1 and connection.recv(100, socket.MSG_DONTWAIT) == b""
                except BlockingIOError:
                    continue
                except OSError:
                    closed = True
            assert closed and 0.9 < time.monotonic() - began < 5
        with socket.create_connection(address(url)) as connection:
            connection.settimeout(10)
            head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"
            connection.sendall(head)
            assert connection.recv(100).startswith(b"HTTP/1.1 408")
        assert httpx.get(url + "/readyz").status_code == 200


def test_where_it_cannot_listen_is_one_sentence() -> None:
    with bind("127.0.0.1", 0, keys=False) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OptionError, match=rf"The port {port} on 127\.0\.0\.1 cannot be used \(Address already in use\)"):
            bind("127.0.0.1", port, keys=False)
    with pytest.raises(OptionError, match=r"Others could reach 0\.0\.0\.0, so the service needs keys"):
        bind("0.0.0.0", 0, keys=False)
    bind("0.0.0.0", 0, keys=True).close()
    bind("localhost", 0, keys=False).close()
    with pytest.raises(OptionError, match="The host 'no such host' is not known here"):
        bind("no such host", 0, keys=False)
    with pytest.raises(OptionError, match="cannot be used"):
        bind("192.0.2.1", 0, keys=True)


async def test_metrics_say_what_happened() -> None:
    with serving(slow=True) as service:
        async with calling(service) as client:
            asking = asyncio.create_task(client.post(PATH, json=ASKED))
            during = ""
            while not asking.done() and "reflectgen_live_branches 2.0" not in during:
                await asyncio.sleep(0.005)
                during = (await client.get("/metrics")).text
            await asking
            await client.post(PATH, json=ASKED | {"reflectgen": {"strategy": "beam", "k": 4, "settings": {"expand": 2}}})
            await client.post(PATH, json={})
            text = (await client.get("/metrics")).text
    found = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if not line.startswith("#")}
    assert "reflectgen_live_requests 1.0" in during and "reflectgen_live_branches 2.0" in during
    assert found["reflectgen_live_requests"] == found["reflectgen_live_branches"] == found["reflectgen_queued_requests"] == 0
    assert found[f'reflectgen_requests_total{{code="200",route="{PATH}"}}'] == 2
    assert found[f'reflectgen_requests_total{{code="400",route="{PATH}"}}'] == 1
    assert found['reflectgen_efforts_total{effort="low"}'] == 2
    assert found['reflectgen_tokens_total{kind="generated"}'] > 30
    assert found['reflectgen_branches_total{finish="cancelled"}'] > 0
    assert found["reflectgen_time_to_first_step_seconds_count"] == found["reflectgen_time_to_answer_seconds_count"] == 2
    assert found["reflectgen_step_score_count"] > 4
