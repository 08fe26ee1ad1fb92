"""Sample traces with their step scores, written every few updates: what the figures mean, in the model's own words."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reflectgen.model.atomic import replace_file

FOLDER = "samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One trace of the current policy, graded by the current head."""

    problem: str
    """The problem's id."""
    correct: bool
    ended: bool
    advantage: float
    """How much better than its group it is, in the group's standard deviations."""
    score: float | None
    """Geometric mean of its step scores; None without a step, or without a head."""
    steps: tuple[tuple[str, float], ...]
    """Text and score of each graded step."""
    text: str
    """All of it."""


def write(folder: Path, update: int, samples: Sequence[Sample]) -> Path:
    """Write the samples of one update to `samples/update-<n>.jsonl` in `folder`, one a line; the file is replaced whole."""
    path = folder / FOLDER / f"update-{update:06d}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as scratch:
        lines = (json.dumps(asdict(sample), ensure_ascii=False) + "\n" for sample in samples)
        scratch.write_text("".join(lines), encoding="utf-8")
    return path


# -- trackers --------------------------------------------------------------------------------------------------------


def _columns(samples: Sequence[Sample]) -> tuple[list[str], list[list[Any]]]:
    names = ["problem", "correct", "ended", "advantage", "score", "steps"]
    shown = [{**asdict(sample), "steps": _marked(sample)} for sample in samples]
    return names, [[row[name] for name in names] for row in shown]


def _marked(sample: Sample) -> str:
    return "\n".join(f"[{score:.2f}] {text.strip()}" for text, score in sample.steps)


def _wandb(update: int, samples: Sequence[Sample]) -> None:
    wandb = sys.modules["wandb"]
    names, rows = _columns(samples)
    wandb.log({FOLDER: wandb.Table(columns=names, data=rows)}, commit=False)


def _trackio(update: int, samples: Sequence[Sample]) -> None:
    import pandas as pd  # type: ignore[import-untyped]

    trackio = sys.modules["trackio"]
    names, rows = _columns(samples)
    trackio.log({FOLDER: trackio.Table(dataframe=pd.DataFrame(rows, columns=names))})


TRACKERS: dict[str, Callable[[int, Sequence[Sample]], None]] = {"trackio": _trackio, "wandb": _wandb}
"""Trackers that hold tables -> how one gets them; they are imported and running by then. TensorBoard has no tables."""


def track(reporters: Sequence[str], update: int, samples: Sequence[Sample]) -> None:
    """Send the samples to those of the trackers in use that hold tables."""
    for name in reporters:
        if name in TRACKERS:
            TRACKERS[name](update, samples)
