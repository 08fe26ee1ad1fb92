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
MISREAD = {
    r"Area $=2\boxed{\sqrt{3}}$.",
    r"so it is $\boxed{(1+\sqrt 2)}\cdot 2$",
    r"\boxed{\textbf{(B) } 12}",
    r"\boxed{\text{(C) } \frac{1}{2}}",
    r"\boxed{3.5 \approx 4}",
    r"\boxed{60^\circ}",
    r"\boxed{\text{ratio } 2:3}",
    r"\boxed{\frac{1}{2}\text{ or } 50\%}",
    r"\boxed{\text{minus } 3}",
    r"\boxed{50\text{ cents}}",
    r"\boxed{\$0.50}",
    r"\boxed{2 \text{ hours}}",
    "Answer: 624 dollars over 2 days",
    "Therefore, she spends a total of 624 dollars in 2 weeks.",
}
"""Replies whose labels the grader is known to miss."""


@cache
def published(task: str) -> dict[str, Problem]:
    path = ROWS / f"{task}.jsonl"
    return {problem.id: problem for problem in TASKS[task].load(path, "test", None, 0)}


def graded(row: dict[str, Any]) -> bool:
    task = TASKS[row["task"]]
    problem = published(row["task"])[row["problem"]] if "problem" in row else Problem(text="", answers=(row["gold"],))
    return task.grade(task.extract(row["reply"]), problem)


def labelled(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (REPLIES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("name", "count"), [("first", 200), ("second", 100), ("third", 100), ("fourth", 214)])
def test_the_graders_agree_with_the_labels_of_hard_notations(name: str, count: int) -> None:
    rows = labelled(name)
    assert len(rows) == count
    assert {row["reply"] for row in rows if graded(row) is not row["right"]} <= MISREAD
    assert 0.4 < sum(row["right"] for row in rows) / count < 0.72


@pytest.mark.parametrize(("name", "agreement"), [("drawn", 0.995), ("held-out", 1.0)])
def test_the_graders_agree_with_the_labels_of_what_a_model_wrote(name: str, agreement: float) -> None:
    rows = labelled(name)
    assert (len(rows), sum(row["right"] for row in rows)) == (200, 100)
    assert sum(graded(row) is row["right"] for row in rows) / len(rows) >= agreement
