"""Your own problems: a JSON Lines file of rows {"problem", "id"?, "answer"?}.

`id` is a string or a whole number, unique in the file (the line number where it is missing); `answer` is a string, a
number or a list of these, any of which is right. Other fields travel along in `Problem.meta`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

from reflectgen.errors import InputError
from reflectgen.rows import Row
from reflectgen.tasks.base import Loader, Task, missing
from reflectgen.tasks.files import read
from reflectgen.types import Problem


def load(path: Path | None, split: str = "test", limit: int | None = None, seed: int = 0) -> list[Problem]:
    """The problems of `path`, which is one split whatever its name.

    At most `limit` of them, drawn with `seed` and kept in the file's order. Raises `InputError` where a row is wrong.
    """
    if path is None:
        raise InputError("The task jsonl reads a file of problems: give one.")
    return draw(collect(path, read(path), to_problem), limit, seed)


def to_problem(row: Row) -> Problem:
    """The problem in a row."""
    return Problem(
        text=row.text("problem"),
        id=_id(row),
        answers=_answers(row),
        meta={key: value for key, value in row.values.items() if key not in ("problem", "id", "answer")},
    )


def collect(path: Path, rows: Iterable[Row], parse: Callable[[Row], Problem]) -> list[Problem]:
    """The problem of every row; raises `InputError` where there is none or two share an id."""
    lines: dict[str, int] = {}
    problems = []
    for row in rows:
        problem = parse(row)
        if problem.id in lines:
            raise row.fault(f"the id '{problem.id}' was already given in line {lines[problem.id]}.")
        lines[problem.id] = row.line
        problems.append(problem)
    if not problems:
        raise InputError(f"The file {path} holds no problems.")
    return problems


def one_split(task: str, file: str, source: str, parse: Callable[[Row], Problem]) -> Loader:
    """Reads the problems of `task` from a file of rows, which is one split whatever its name.

    At most `limit` of them, drawn with `seed` and kept in the file's order. Raises `InputError` where a row is wrong; where
    there is no file it names the `file` to give and its `source`.
    """

    def load(path: Path | None, split: str = "test", limit: int | None = None, seed: int = 0) -> list[Problem]:
        if path is None:
            raise missing(task, file, source)
        return draw(collect(path, read(path), parse), limit, seed)

    return load


def draw(problems: list[Problem], limit: int | None, seed: int) -> list[Problem]:
    """`limit` of the problems, drawn with `seed` and kept in order; all of them where it is None."""
    if limit is None or limit >= len(problems):
        return problems
    return [problems[index] for index in sorted(Random(seed).sample(range(len(problems)), limit))]


def _id(row: Row) -> str:
    value = row.values.get("id", row.line)
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise row.fault("the field 'id' must be a string or a whole number.")
    return str(value)


def _answers(row: Row) -> tuple[str, ...]:
    value = row.values.get("answer")
    return tuple(_answer(row, item) for item in ([] if value is None else value if isinstance(value, list) else [value]))


def _answer(row: Row, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise row.fault("the field 'answer' must be a string, a number or a list of these.")
    return value if isinstance(value, str) else json.dumps(value)


TASK = Task(name="jsonl", source="a file of yours", licence="yours", load=load)
