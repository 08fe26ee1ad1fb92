"""What serving costs beside the engine: processor time per token under many streams, and the time to the first graded step.

    python bench/serve.py --streams 200 --k 8 --json

The same problems with the same seeds are solved twice, each time in a process of its own: by `Reflector.asolve`, all at once,
and by `reflectgen serve`, one stream each, all at once. Processor time is that of the process, user and system.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reflectgen import tasks

if TYPE_CHECKING:
    from reflectgen.engine.branch import Branch
    from reflectgen.reflector import Reflector

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What is asked."""

    streams: int
    k: int
    steps: bool
    """Whether the streams tell of every branch."""
    alone: int
    """Requests one after the other, to time the first step."""

    @cached_property
    def problems(self) -> list[str]:
        """One for each request."""
        return [
            problem.text for problem in tasks.named("wordproblems").load(None, "test", max(self.streams, self.alone + 1), 1)
        ]


def engine(load: Load) -> dict[str, Any]:
    """Solve the problems without a server."""
    import reflectgen

    with reflectgen.load("tiny") as model:

        async def run() -> dict[str, Any]:
            await model.asolve(load.problems[0], k=load.k)
            began, cpu = time.perf_counter(), time.process_time()
            results = await asyncio.gather(
                *(model.asolve(text, k=load.k, seed=seed) for seed, text in enumerate(load.problems))
            )
            cpu, wall = time.process_time() - cpu, time.perf_counter() - began
            return {"tokens": sum(result.cost.tokens_generated for result in results), "cpu": cpu, "wall": wall}

        return asyncio.run(run())


async def first_step(model: Reflector, problem: str, k: int, seed: int) -> float:
    """Seconds to the first graded step without a server."""
    seen: list[float] = []

    def observe(branch: Branch) -> None:
        if branch.steps:
            seen.append(time.perf_counter())

    began = time.perf_counter()
    await model.asolve(problem, k=k, seed=seed, observe=observe)
    return seen[0] - began


@contextmanager
def server(*options: str) -> Iterator[tuple[int, str, int]]:
    """A service of the bundled model in a process: its id, host and port."""
    command = [sys.executable, "-m", "reflectgen", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r'"ready".*http://([\d.]+):(\d+)', line):
                break
        else:
            raise RuntimeError("the server did not start")
        asyncio.get_running_loop().run_in_executor(None, process.stderr.read)
        yield process.pid, found[1], int(found[2])
    finally:
        process.terminate()
        process.wait(60)


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


async def stream(host: str, port: int, body: dict[str, Any]) -> dict[str, Any]:
    """One stream, read to its end: its tokens, when its first step came, and whether all in it was its own."""
    reader, writer = await asyncio.open_connection(host, port, limit=2**20)
    text = json.dumps(body).encode()
    fields = {"host": host, "content-type": "application/json", "content-length": len(text)}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    began, first = time.perf_counter(), 0.0
    writer.write(f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n".encode() + text)
    ids, tokens, done = set(), 0, False
    async for line in reader:
        if line.startswith(b"data: [DONE]"):
            done = True
            break
        if line.startswith(b"data: "):
            chunk = json.loads(line[6:])
            assert "error" not in chunk, chunk
            ids.add(chunk["id"])
            event = chunk.get("reflectgen")
            if event:
                ids.add(event["id"])
                first = first or (time.perf_counter() - began if event["type"] == "step" else 0.0)
            tokens = chunk["usage"]["completion_tokens"] if chunk.get("usage") else tokens
    writer.close()
    return {"tokens": tokens, "first": first, "whole": done and len(ids) == 1}


def body(load: Load, seed: int, *, steps: bool) -> dict[str, Any]:
    """The request of one stream."""
    extension = {"k": load.k, "stream_steps": steps}
    talk = [{"role": "user", "content": load.problems[seed]}]
    asked = {"model": "tiny", "messages": talk, "seed": seed, "stream": True, "reflectgen": extension}
    return asked | {"stream_options": {"include_usage": True}}


async def served(load: Load) -> dict[str, Any]:
    """Solve the problems by a server."""
    with server("--live", str(load.streams)) as (pid, host, port):
        await stream(host, port, body(load, 0, steps=load.steps))
        began, cpu = time.perf_counter(), cpu_of(pid)
        bodies = [body(load, seed, steps=load.steps) for seed in range(load.streams)]
        streams = await asyncio.gather(*(stream(host, port, one) for one in bodies))
        cpu, wall = cpu_of(pid) - cpu, time.perf_counter() - began
    tokens, broken = sum(one["tokens"] for one in streams), sum(not one["whole"] for one in streams)
    return {"tokens": tokens, "cpu": cpu, "wall": wall, "broken": broken}


async def first_steps(load: Load) -> dict[str, float]:
    """Median seconds to the first graded step of one request at a time, with and without a server, in turns."""
    import reflectgen

    alone, through = [], []
    with reflectgen.load("tiny") as model, server() as (_, host, port):
        for seed in range(load.alone + 1):  # the first warms up
            alone.append(await first_step(model, load.problems[seed], load.k, seed))
            through.append((await stream(host, port, body(load, seed, steps=True)))["first"])
    return {"engine": statistics.median(alone[1:]), "served": statistics.median(through[1:])}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--steps", action="store_true", help="stream the steps of every branch")
    parser.add_argument("--alone", type=int, default=20, help="requests that time the first step")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--engine", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    load = Load(given.streams, given.k, given.steps, given.alone)
    if given.engine:
        print(json.dumps(engine(load)))
        return
    rounds = []
    for _ in range(given.repeat):
        alone = json.loads(
            subprocess.run([sys.executable, *sys.argv, "--engine"], capture_output=True, text=True, check=True).stdout
        )
        rounds.append({"engine": alone, "served": asyncio.run(served(load))})
    ratios = [one["served"]["cpu"] / one["served"]["tokens"] * one["engine"]["tokens"] / one["engine"]["cpu"] for one in rounds]
    first = asyncio.run(first_steps(load))
    report = {
        "streams": load.streams,
        "k": load.k,
        "steps": load.steps,
        "cpu_ratio": statistics.median(ratios),
        "first_step_ratio": first["served"] / first["engine"],
        "first_step": first,
        "broken": sum(one["served"]["broken"] for one in rounds),
        "rounds": rounds,
    }
    print(json.dumps(report, indent=1 if given.json else None))


if __name__ == "__main__":
    main()
