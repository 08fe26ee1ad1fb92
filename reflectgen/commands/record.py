"""Results as JSON: a whole one, and the row that a batch writes for each problem."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from reflectgen.types import Result, Trajectory


def whole(result: Result) -> dict[str, Any]:
    """Everything that led to a result."""
    return asdict(result)


def row(result: Result, *, correct: bool | None, settings: dict[str, Any]) -> dict[str, Any]:
    """The row of a batch: the answer, the chosen thinking, all candidates with their values, cost and settings.

    `correct` is None where no gold answer is known. `strategy` is the one that was used, also where the settings say auto.
    """
    chosen = result.chosen
    return {
        "id": result.problem.id,
        "problem": result.problem.text,
        "answer": result.answer,
        "strategy": result.strategy,
        "gold": list(result.problem.answers),
        "correct": correct,
        "score": chosen.score if chosen else None,
        "share": result.choice.share,
        "thinking": chosen.thinking if chosen else None,
        "reply": chosen.reply if chosen else None,
        "candidates": [_candidate(trajectory) for trajectory in result.trajectories],
        "cost": asdict(result.cost),
        "notes": list(result.notes),
        "settings": settings,
    }


def _candidate(trajectory: Trajectory) -> dict[str, Any]:
    names = ("answer", "score", "logprob", "confidence", "tokens", "finish", "error")
    return {name: getattr(trajectory, name) for name in names}
