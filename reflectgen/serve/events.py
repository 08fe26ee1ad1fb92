"""What happens in a search, as the events of a stream or of a recorded trace; `events.schema.json` is their schema.

A `Recorder` makes them while a search runs: it observes the branches and is told the result at last. What it returns are plain
objects, in order. Where the end of a thinking was graded and the thinking was then made to go on, a later event of the same
branch and index takes the place of the earlier one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reflectgen.engine.branch import Branch
from reflectgen.reflector import Prepared
from reflectgen.scoring import aggregate
from reflectgen.serve.faults import anonymous
from reflectgen.types import Result, Step, Trajectory

VERSION = 1
SCHEMA = Path(__file__).with_name("events.schema.json")
ENDED = ("finished", "cancelled", "failed")
"""States that a branch never leaves."""

Event = dict[str, Any]


def schema() -> dict[str, Any]:
    """The JSON schema of one event."""
    found: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return found


class Shapes:
    """Events of one stream, whose `id` each of them carries. Times are seconds since its start."""

    def __init__(self, id: str) -> None:
        self.id = id

    def branch(self, name: str, parent: str | None, inherited: int, time: float) -> Event:
        """A branch has begun, with the first `inherited` steps of its parent."""
        return self._event("branch", branch=name, parent=parent, steps=inherited, time=time)

    def step(self, name: str, steps: Sequence[Step], index: int, rule: str, time: float) -> Event:
        """A step was graded; `rule` makes the running score of it and those before it."""
        step = steps[index]
        scores = [one.score for one in steps[: index + 1] if one.score is not None]
        return self._event(
            "step",
            branch=name,
            index=index,
            text=step.text,
            score=step.score,
            logprob=step.logprob,
            confidence=step.confidence,
            tokens=step.token_span[1],
            running=aggregate(rule, scores) if scores else None,
            time=time,
        )

    def end(self, one: Trajectory, why: str, time: float) -> Event:
        """A branch is over."""
        names = ("answer", "score", "logprob", "confidence", "tokens", "thinking", "reply")
        measured = {name: getattr(one, name) for name in names}
        return self._event("end", branch=one.id, finish=one.finish, why=anonymous(why), **measured, time=time)

    def chosen(self, result: Result, chosen: Trajectory | None) -> Event:
        """The selector has decided. `chosen` is the trajectory that is shown, also where the selector abstained."""
        ids = (one.id for one in result.trajectories)
        return self._event(
            "chosen",
            branch=chosen.id if chosen else None,
            answer=result.answer,
            share=result.choice.share,
            select=result.select,
            values=dict(zip(ids, result.choice.values, strict=True)),
        )

    def done(self, result: Result, time: float) -> Event:
        """All is over."""
        return self._event("done", cost=asdict(result.cost), notes=list(map(anonymous, result.notes)), time=time)

    def start(
        self, *, model: str, strategy: str, select: str, k: int, seed: int, effort: str, problem: str, prompt_tokens: int
    ) -> Event:
        """The first event."""
        return self._event(
            "start",
            version=VERSION,
            model=model,
            strategy=strategy,
            select=select,
            k=k,
            seed=seed,
            effort=effort,
            problem=problem,
            prompt_tokens=prompt_tokens,
        )

    def _event(self, kind: str, **fields: Any) -> Event:
        return {"type": kind, "id": self.id, **fields}


class Recorder:
    """Observes one search. `clock` gives seconds since any fixed moment; `effort` is what the request said of it."""

    def __init__(
        self, id: str, prepared: Prepared, *, model: str, effort: str, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._shapes = Shapes(id)
        self._prepared, self._model, self._effort = prepared, model, effort
        self._clock, self._began = clock, clock()
        self._told: dict[str, list[Step]] = {}
        """Branch -> its steps that were told, or inherited."""
        self._over: set[str] = set()

    def start(self) -> Event:
        """The event before all others."""
        request = self._prepared.request
        return self._shapes.start(
            model=self._model,
            strategy=self._prepared.strategy,
            select=request.select,
            k=request.k,
            seed=request.seed,
            effort=self._effort,
            problem=request.problem.text,
            prompt_tokens=len(request.prompt),
        )

    def observe(self, branch: Branch) -> Iterator[Event]:
        """What is new of `branch`."""
        now = self._now()
        told = self._told.get(branch.id)
        if told is None:
            told = self._told[branch.id] = list(branch.steps)
            yield self._shapes.branch(branch.id, branch.parent.id if branch.parent else None, len(told), now)
        del told[len(branch.steps) :]
        for index, step in enumerate(branch.steps):
            if index == len(told) or told[index] is not step:
                told[index:] = [step]
                yield self._shapes.step(branch.id, branch.steps, index, branch.tree.grammar.aggregate, now)
        if branch.state in ENDED:
            yield from self._end(branch.trajectory(self._prepared.request.extract), branch.error or branch.why)

    def finish(self, result: Result, chosen: Trajectory | None) -> Iterator[Event]:
        """The ends of the branches that nobody ended, which one was `chosen`, and what it cost."""
        for one in result.trajectories:
            yield from self._end(one, "")
        yield self._shapes.chosen(result, chosen)
        yield self._shapes.done(result, self._now())

    def _end(self, one: Trajectory, why: str) -> Iterator[Event]:
        if one.id not in self._over:
            self._over.add(one.id)
            yield self._shapes.end(one, why, self._now())

    def _now(self) -> float:
        return round(self._clock() - self._began, 6)
