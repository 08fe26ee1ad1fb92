"""The graders against replies that were labelled by hand, over tasks and notations (`tests/data/replies`)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from reflectgen.tasks import TASKS
from reflectgen.types import Problem

REPLIES = Path(__file__).parent / "data" / "replies"
ROWS = Path(__file__).parent / "tasks" / "data"
MISREAD = {r"The surface area is $\boxed{144}\pi$."}
"""Replies whose labels the grader is known to miss."""


@cache
def published(task: str) -> dict[str, Problem]:
    path = ROWS / f"{task}.jsonl"
    return {problem.id: problem for problem in TASKS[task].load(path, "test", None, 0)}


def graded(row: dict[str, Any]) -> bool:
    task = TASKS[row["task"]]
    problem = published(row["task"])[row["problem"]] if "problem" in row else Problem(text="", answers=(row["gold"],))
    return task.grade(task.extract(row["reply"]), problem)


@pytest.mark.parametrize(("name", "count"), [("first", 200), ("second", 100), ("third", 100)])
def test_the_graders_agree_with_the_labels(name: str, count: int) -> None:
    rows = [json.loads(line) for line in (REPLIES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == count
    assert {row["reply"] for row in rows if graded(row) is not row["right"]} <= MISREAD
    assert 0.4 < sum(row["right"] for row in rows) / count < 0.7
