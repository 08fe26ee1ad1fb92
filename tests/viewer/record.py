"""Record what the viewer is shown: `record.py FILE STRATEGY PROBLEM` runs the bundled model and writes its events.

The traces in `traces/` were made by it, one for each strategy there.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from reflectgen.answers import extract
from reflectgen.engine.branch import Branch
from reflectgen.load import load
from reflectgen.scoring import aggregate
from reflectgen.types import Result

EFFORT = "medium"
ENDED = ("finished", "cancelled", "failed")


class Recorder:
    """What an observer sees of the branches of one search, as events in order."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.began = time.monotonic()
        self.events: list[dict[str, Any]] = []
        self.told: dict[str, int] = {}
        """Branch -> how many of its steps were told."""
        self.ends: dict[str, dict[str, Any]] = {}
        """Branch -> the event of its end."""

    def tell(self, type: str, **fields: Any) -> dict[str, Any]:
        event = {"type": type, "id": self.id, **fields, "time": round(time.monotonic() - self.began, 4)}
        self.events.append(event)
        return event

    def observe(self, branch: Branch) -> None:
        """Tell of a branch that is new, of its steps that are, and of its end."""
        if branch.id not in self.told:
            inherited = len(branch.steps) if branch.parent else 0
            self.told[branch.id] = inherited
            self.tell("branch", branch=branch.id, parent=branch.parent.id if branch.parent else None, steps=inherited)
        for index in range(self.told[branch.id], len(branch.steps)):
            self.step(branch, index)
        self.told[branch.id] = len(branch.steps)
        if branch.state in ENDED and branch.id not in self.ends:
            self.ends[branch.id] = self.end(branch)

    def step(self, branch: Branch, index: int) -> None:
        step = branch.steps[index]
        scores = [earlier.score for earlier in branch.steps[: index + 1] if earlier.score is not None]
        self.tell(
            "step",
            branch=branch.id,
            index=index,
            text=step.text,
            score=step.score,
            logprob=step.logprob,
            confidence=step.confidence,
            tokens=step.token_span[1],
            running=aggregate("geometric", scores) if scores else None,
        )

    def end(self, branch: Branch) -> dict[str, Any]:
        known = branch.trajectory(extract)
        names = ("finish", "answer", "score", "logprob", "confidence", "tokens", "thinking", "reply")
        return self.tell("end", branch=branch.id, why="", **{name: getattr(known, name) for name in names})

    def conclude(self, result: Result) -> None:
        """Say why branches ended, which was chosen, and what it cost."""
        for event in result.trace:
            if event.what == "cancelled" and event.branch in self.ends:
                self.ends[event.branch]["why"] = event.why
        names = [trajectory.id for trajectory in result.trajectories]
        choice = result.choice
        self.tell(
            "chosen",
            branch=None if choice.index is None else names[choice.index],
            answer=choice.answer,
            share=choice.share,
            select=result.select,
            values=dict(zip(names, choice.values, strict=True)),
        )
        fields = ("tokens_generated", "tokens_prefilled", "tokens_scored", "forward_passes", "seconds")
        self.tell("done", cost={name: getattr(result.cost, name) for name in fields}, notes=list(result.notes))


def record(strategy: str, problem: str) -> list[dict[str, Any]]:
    """The events of one search by the bundled model."""
    with load("tiny") as model:
        recorder = Recorder(f"chatcmpl-{strategy}")
        request = model.request(problem, effort=EFFORT, strategy=strategy)
        recorder.tell(
            "start",
            version=1,
            model="tiny",
            strategy=strategy,
            select=request.select,
            k=request.k,
            seed=request.seed,
            effort=EFFORT,
            problem=problem,
            prompt_tokens=len(request.prompt),
        )
        recorder.conclude(model.solve(problem, effort=EFFORT, strategy=strategy, observe=recorder.observe))
        return recorder.events


def main(file: str, strategy: str, problem: str) -> None:
    """Write the events as a trace, one on a line."""
    lines = ",\n".join(json.dumps(event) for event in record(strategy, problem))
    Path(file).write_text(f'{{"version": 1, "events": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
