"""A task: where problems come from, under which licence, and how an answer to them is read and graded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reflectgen import answers
from reflectgen.types import Problem


class Loader(Protocol):
    """Reads or makes the problems of a task."""

    def __call__(self, path: Path | None, split: str, limit: int | None, seed: int) -> list[Problem]:
        """At most `limit` problems of `split`, from the file `path` where the task has one; `seed` where it makes them."""


def grade(answer: str | None, problem: Problem) -> bool:
    """Whether `answer` equals one of the problem's gold answers (`reflectgen.answers`)."""
    return answers.correct(answer, problem.answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One benchmark or training task."""

    name: str
    source: str
    """Where the problems come from: authors, year, address."""
    licence: str
    load: Loader
    """Raises `InputError` naming the file and the line where a row is wrong."""
    extract: Callable[[str], str | None] = answers.extract
    """Reads the answer from a reply; None where there is none."""
    grade: Callable[[str | None, Problem], bool] = grade
    """Whether an answer is right."""
    instruction: str | None = None
    """What the model is asked to do beside the problem; None for the model's own instruction."""
