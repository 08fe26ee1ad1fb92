"""MBPP: 974 short functions to be written from a sentence and three asserts, graded by running the asserts.

Source: Austin et al., "Program Synthesis with Large Language Models", arXiv 2108.07732;
https://github.com/google-research/google-research/tree/master/mbpp (`mbpp.jsonl`), CC BY 4.0. A row is {"task_id", "text",
"code", "test_list", "test_setup_code", "challenge_test_list"}; the challenge tests are not used. The splits are the
publisher's, by task id.

Deviations from the publisher's program, in which answer and tests share one interpreter:
1. The tests run in a process of their own and call the answer from there (`reflectgen.sandbox`). From the answer they take
   the functions and classes that the gold code defines too.
2. Modules that a test names are imported for it, where the publisher relies on the answer to import them.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reflectgen import sandbox
from reflectgen.errors import unknown
from reflectgen.rows import Row
from reflectgen.tasks import code
from reflectgen.tasks.base import Hub, Task, missing
from reflectgen.tasks.code import ASK, FENCE, OPENING, extract, ready
from reflectgen.tasks.files import read
from reflectgen.tasks.jsonl import collect, draw
from reflectgen.types import Problem

SOURCE = "https://github.com/google-research/google-research/tree/master/mbpp"
SPLITS: Mapping[str, range] = {
    "prompt": range(1, 11),
    "test": range(11, 511),
    "validation": range(511, 601),
    "train": range(601, 975),
}
"""Split -> its task ids."""


def load(path: Path | None, split: str = "test", limit: int | None = None, seed: int = 0) -> list[Problem]:
    """The problems of `split` in the publisher's file `path`, named `mbpp/<task id>`.

    At most `limit` of them, drawn with `seed` and kept in the file's order. Raises `InputError` where a row is wrong.
    """
    if path is None:
        raise missing("mbpp", "the publisher's mbpp.jsonl", SOURCE)
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    rows = (row for row in read(path) if _task_id(row) in SPLITS[split])
    return draw(collect(path, rows, to_problem), limit, seed)


def to_problem(row: Row) -> Problem:
    """The problem in a row; its gold answer is the publisher's code."""
    tests, gold = _tests(row), row.text("code")
    prompt = "\n".join((row.text("text"), "The code must pass these tests:", *tests, ASK))
    setup = row.values.get("test_setup_code", "")
    if not isinstance(setup, str):
        raise row.fault("the field 'test_setup_code' must be a string.")
    meta = {"setup": setup, "tests": tests, **_needs(row, gold, [setup, *tests])}
    return Problem(text=prompt, id=f"mbpp/{_task_id(row)}", answers=(gold,), meta=meta)


def grade(answer: str | None, problem: Problem) -> bool:
    """Whether all asserts hold for the code `answer`. Raises `SandboxError` where this machine grants no sandbox."""
    if answer is None:
        return False
    meta = problem.meta
    tests = "\n".join((meta["setup"], *meta["tests"]))
    return sandbox.judge(answer, tests, names=meta["names"], setup=meta["imports"]).finished


def _task_id(row: Row) -> int:
    value = row.values.get("task_id")
    if not isinstance(value, int) or isinstance(value, bool):
        raise row.fault("the field 'task_id' must be a whole number.")
    return value


def _tests(row: Row) -> tuple[str, ...]:
    value = row.values.get("test_list")
    if not isinstance(value, list) or not value or not all(isinstance(test, str) for test in value):
        raise row.fault("the field 'test_list' must be a list of asserts.")
    return tuple(value)


def _needs(row: Row, gold: str, tests: list[str]) -> dict[str, Any]:
    """What the tests read that the gold code binds: `names` that an answer must define, and `imports`, as code."""
    try:
        read_names = {node.id for test in tests for node in ast.walk(ast.parse(test)) if isinstance(node, ast.Name)}
        bound = ast.parse(gold).body
    except SyntaxError as error:
        raise row.fault(f"its code or tests are no Python ({error.msg}).") from None
    names = {node.name for node in bound if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    imports = [node for node in bound if isinstance(node, ast.Import | ast.ImportFrom)]
    needed = [node for node in imports if any((name.asname or name.name) in read_names for name in node.names)]
    return {"names": tuple(sorted(names & read_names)), "imports": "\n".join(map(ast.unparse, needed))}


def mutate(problem: Problem) -> str | None:
    """The gold code with another value for every return, since three asserts do not reach each of them."""
    return code.mutate(problem.answers[0], every=True)


TASK = Task(
    name="mbpp",
    source=f"Austin et al. 2021, {SOURCE}",
    licence="CC-BY-4.0",
    load=load,
    extract=extract,
    grade=grade,
    ready=ready,
    instruction="",
    reply=OPENING,
    stop=FENCE,
    mutate=mutate,
    hub=Hub(dataset="google-research-datasets/mbpp", files={split: (f"full/{split}-*.parquet",) for split in SPLITS}),
    size=500,
    ran_on="974 rows",
)
