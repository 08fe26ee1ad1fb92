"""What the tests of the strategies share: scripts whose tokens are easily counted, requests, and how to read a trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reflectgen import search
from reflectgen.config import Sampling
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.search import Request
from reflectgen.types import Happening, Problem, Result

STEP, CLOSE, REPLY = 3, 1, 6
"""Tokens of a step, of the closing tag and of a reply, of what `play` makes."""


def play(name: str, answer: str, *logits: float, **measures: Any) -> Script:
    """A thinking of one step for each of `logits`, in words of its own, and then its answer."""
    text = "".join(f"{name}{step} is.\n\n" for step in range(len(logits)))
    return Script(f"{text}</think>", reply=f"\\boxed{{{answer}}}", logits=logits or (0.0,), **measures)


def request(engine: ScriptedEngine, **settings: Any) -> Request:
    problem = Problem(text="What is 2 + 2?")
    defaults: dict[str, Any] = {"k": 4, "select": "sprm", "sampling": Sampling()}
    return Request(problem=problem, prompt=tuple(engine.encode(problem.text)), **{**defaults, **settings})


async def solve(strategy: str, scripts: Sequence[Script] | ScriptedEngine, **settings: Any) -> Result:
    """What the strategy makes of the scripts; it must have freed every branch."""
    engine = scripts if isinstance(scripts, ScriptedEngine) else ScriptedEngine(scripts)
    result = await search.named(strategy)(engine, request(engine, **settings))
    assert engine.held == 0
    return result


def events(result: Result, what: Happening) -> list[tuple[str, str]]:
    """The branches to which it happened and why, in order."""
    return [(event.branch, event.why) for event in result.trace if event.what == what]


def finishes(result: Result) -> dict[str, str]:
    return {trajectory.id: trajectory.finish for trajectory in result.trajectories}


def answers(result: Result) -> list[str | None]:
    return [trajectory.answer for trajectory in result.trajectories]
