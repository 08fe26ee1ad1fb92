"""Small stores of graded traces, drawn at random."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from rollouts.made import rollout, store

from reflectgen.rollouts import Rollout, Store
from reflectgen.scoring import aggregate
from reflectgen.select import Selector
from reflectgen.types import Step, Trajectory

FEWEST = Selector(value=lambda trace, scales: -float(len(trace.steps)))
"""A selector of one's own: the trace of the fewest steps."""


def trace(rng: Random, problem: str, sample: int, **changes: Any) -> Rollout:
    """Right with chance one half, its step scores a little higher then; the answer "7" is the right one."""
    correct = rng.random() < 0.5
    scores = [0.6 * rng.random() + (0.4 if correct else 0.1) for _ in range(rng.randint(1, 4))]
    steps = [
        Step(text="", token_span=(i, i + 1), score=score, logit=score, logprob=-rng.random(), confidence=1 + rng.random())
        for i, score in enumerate(scores)
    ]
    given = {
        "steps": tuple(steps),
        "score": aggregate("geometric", scores),
        "logprob": -rng.random(),
        "confidence": 1 + rng.random(),
        "tokens": rng.randint(1, 100),
        "answer": "7" if correct else str(rng.randint(1, 3)),
        "correct": correct,
    }
    return rollout(problem, sample, **{**given, **changes})


def made(folder: Path, *, problems: int = 6, samples: int = 5, seed: int = 0, **header: Any) -> Store:
    """Two shards; `header` are fields of the header."""
    rng = Random(seed)
    rows = [trace(rng, f"p{problem}", sample) for problem in range(problems) for sample in range(samples)]
    half = problems // 2 * samples
    return store(folder, [rows[:half], rows[half:]], **header)


def headless(folder: Path, **changes: Any) -> Store:
    """Without scores, and by default without answers."""
    rng = Random(0)
    bare = {"score": None, "steps": (), "answer": None, **changes}
    rows = [trace(rng, f"p{problem}", sample, **bare) for problem in range(4) for sample in range(4)]
    return store(folder, [rows], head="")


def trajectories(found: Store) -> list[list[Trajectory]]:
    """All traces of each problem, as a selector wants them."""
    return [[row.trajectory() for row in rows] for rows in found.problems().values()]


def flat(rows: list[list[Trajectory]]) -> list[Trajectory]:
    """Of all problems together."""
    return [one for row in rows for one in row]
