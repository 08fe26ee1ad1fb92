"""Many clients at once, clients that go away, and a server that is killed: minutes each, on the bundled model."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from serve.process import Served, process
from serve.rig import httpx, listening, serving

from reflectgen import tasks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parent.parent.parent
PATH = "/v1/chat/completions"
BACK = ("reflectgen_live_requests", "reflectgen_queued_requests", "reflectgen_live_branches")


def asked(problem: str, **more: Any) -> dict[str, Any]:
    return {
        "model": "tiny",
        "messages": [{"role": "user", "content": problem}],
        "stream": True,
        "reasoning_effort": "none",
        **more,
    }


def problems(n: int) -> list[str]:
    return [problem.text for problem in tasks.named("wordproblems").load(None, "test", n, 7)]


def measured(url: str) -> dict[str, float]:
    """The plain series of a service."""
    text = httpx.get(f"{url}/metrics").text
    return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.MULTILINE)}


async def visit(client: httpx.AsyncClient, body: dict[str, Any], leave_after: float | None) -> bool:
    """Ask, and read to the end or go away; whether the end was seen."""
    last = ""
    try:
        async with asyncio.timeout(leave_after), client.stream("POST", PATH, json=body) as answer:
            async for line in answer.aiter_lines():
                last = line or last
    except TimeoutError:
        return False
    return last == "data: [DONE]"


async def visits(url: str, count: int, leaving: float, seed: int, at_once: int = 40) -> tuple[int, int]:
    """So many visits, of which a share goes away at some moment: how many were to be whole, and how many were."""
    dice, room, texts = random.Random(seed), asyncio.Semaphore(at_once), problems(50)
    limits = httpx.Limits(max_connections=at_once)
    async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as client:

        async def one(number: int, leave_after: float | None) -> bool:
            async with room:
                return await visit(client, asked(texts[number % 50], seed=number), leave_after)

        moments = [dice.uniform(0, 1.5) if dice.random() < leaving else None for _ in range(count)]
        whole = await asyncio.gather(*(one(number, moment) for number, moment in enumerate(moments)))
    kept = [done for done, moment in zip(whole, moments, strict=True) if moment is None]
    return len(kept), sum(kept)


def settled(url: str) -> dict[str, float]:
    """What is measured once nothing is live any more."""
    end = time.monotonic() + 30
    while any((found := measured(url))[name] for name in BACK):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    time.sleep(1)
    return measured(url)


def test_two_hundred_streams_cost_little_beside_the_engine_and_mix_nothing_up() -> None:
    command = [sys.executable, "bench/serve.py", "--streams", "200", "--k", "8", "--steps", "--repeat", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["broken"] == 0
    assert report["rounds"][0]["served"]["tokens"] == report["rounds"][0]["engine"]["tokens"]
    assert report["cpu_ratio"] <= 1.15, report
    assert report["first_step_ratio"] <= 1.2, report


async def test_after_a_thousand_requests_of_which_many_break_off_everything_is_as_it_was() -> None:
    with process("--port", "0") as served:
        await visits(served.url, 300, leaving=0.3, seed=1)
        before = settled(served.url)
        wanted, whole = await visits(served.url, 1000, leaving=0.3, seed=2)
        after = settled(served.url)
    assert whole == wanted > 600
    assert after["process_open_fds"] <= before["process_open_fds"]
    assert after["process_resident_memory_bytes"] <= 1.05 * before["process_resident_memory_bytes"]
    print({name: (before[name], after[name]) for name in ("process_open_fds", "process_resident_memory_bytes")})


async def test_no_task_is_left_of_clients_that_broke_off() -> None:
    with serving(slow=False) as service, listening(service) as (server, url):
        background = service.model._background._loop
        before = [len(asyncio.all_tasks(loop)) for loop in (server.loop, background)]

        async with httpx.AsyncClient(base_url=url) as client:
            for number in range(300):
                body = asked("What is 2 + 2?", model="scripted", seed=number)
                await visit(client, body, random.Random(number).uniform(0, 0.02) if number % 3 else None)
        await asyncio.sleep(0.5)
        assert [len(asyncio.all_tasks(loop)) for loop in (server.loop, background)] <= before
        assert (service.admission.live, service.admission.waiting) == (0, 0)


async def under_load(served: Served, then: signal.Signals) -> list[str]:
    """Twenty streams, a signal in their middle, and the last line of each."""

    async def one(client: httpx.AsyncClient, problem: str) -> str:
        last = ""
        try:
            async with client.stream("POST", PATH, json=asked(problem, reasoning_effort="medium")) as answer:
                async for line in answer.aiter_lines():
                    last = line or last
        except httpx.HTTPError as error:
            return f"{type(error).__name__}"
        return last

    async with httpx.AsyncClient(base_url=served.url, timeout=300) as client:
        streams = [asyncio.create_task(one(client, problem)) for problem in problems(20)]
        while measured(served.url)["reflectgen_live_branches"] < 20:
            await asyncio.sleep(0.05)
        served.process.send_signal(then)
        return await asyncio.gather(*streams)


async def test_killed_under_load_it_is_ready_again_within_the_time_of_a_load() -> None:
    began = time.monotonic()
    with process("--port", "0") as served:
        loading, port = time.monotonic() - began, served.url.rpartition(":")[2]
        lines = await under_load(served, signal.SIGKILL)
        assert "data: [DONE]" not in lines
        served.process.wait(10)
        began = time.monotonic()
        with process("--port", port) as again:
            ready = time.monotonic() - began
            assert httpx.get(f"{again.url}/readyz").status_code == 200
            assert again.url == served.url
    print({"loading": loading, "ready again": ready})
    assert ready <= 1.5 * loading


@pytest.mark.parametrize(("grace", "last"), [("120", "data: [DONE]"), ("0.2", "shutting_down")])
async def test_told_to_stop_under_load_every_stream_ends_in_words(grace: str, last: str) -> None:
    with process("--port", "0", "--grace", grace) as served:
        lines = await under_load(served, signal.SIGTERM)
        assert served.process.wait(30) == 0
    assert all(last in line for line in lines), lines
