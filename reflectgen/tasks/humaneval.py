"""HumanEval: 164 functions to be written from their signatures and docstrings, graded by running their tests.

Source: Chen et al., "Evaluating Large Language Models Trained on Code", arXiv 2107.03374;
https://github.com/openai/human-eval (`HumanEval.jsonl.gz`), MIT licence. A row is {"task_id", "prompt", "entry_point",
"canonical_solution", "test"}; there is one split, test.

Deviations from the publisher's program, which is prompt + completion + test + check(entry_point) in one interpreter:
1. A chat model answers with a whole function, often without the prompt's imports. It is put behind the prompt, whose unfinished
   function (a docstring) it then replaces; a bare body goes on from the prompt as with the publisher. `__future__` imports
   that it begins with are put before the prompt.
2. The tests run in a process of their own and call the answer from there (`reflectgen.sandbox`). The prompt's helper
   functions that some tests call are the publisher's, whatever the answer calls by their names.
3. 10 seconds of processor time, and 30 by the clock, where the publisher allows 3 by the clock.
"""

from __future__ import annotations

import re
from pathlib import Path

from reflectgen import sandbox
from reflectgen.errors import unknown
from reflectgen.rows import Row
from reflectgen.tasks import code
from reflectgen.tasks.base import Hub, Task, missing
from reflectgen.tasks.code import ASK, FENCE, OPENING, extract, ready
from reflectgen.tasks.files import read
from reflectgen.tasks.jsonl import collect, draw
from reflectgen.tasks.program import put_behind
from reflectgen.types import Problem

SOURCE = "https://github.com/openai/human-eval"
TESTS = ("prompt", "test", "entry_point")
"""Fields of a row that grading needs, kept in `Problem.meta`."""


def load(path: Path | None, split: str = "test", limit: int | None = None, seed: int = 0) -> list[Problem]:
    """The problems of the publisher's file `path`, named as there (`HumanEval/0`).

    At most `limit` of them, drawn with `seed` and kept in the file's order. Raises `InputError` where a row is wrong.
    """
    if path is None:
        raise missing("humaneval", "the publisher's HumanEval.jsonl.gz", SOURCE)
    if split != "test":
        raise unknown("split", split, ("test",))
    return draw(collect(path, read(path), to_problem), limit, seed)


def to_problem(row: Row) -> Problem:
    """The problem in a row; its gold answer is the canonical solution, a bare body."""
    prompt = f"Complete this function:\n{OPENING}{row.text('prompt').rstrip()}\n{FENCE}\n{ASK}"
    return Problem(
        text=prompt,
        id=row.text("task_id"),
        answers=(row.text("canonical_solution"),),
        meta={field: row.text(field) for field in TESTS},
    )


def grade(answer: str | None, problem: Problem) -> bool:
    """Whether the tests hold for the code `answer`. Raises `SandboxError` where this machine grants no sandbox."""
    if answer is None:
        return False
    prompt, test, name = (problem.meta[field] for field in TESTS)
    program = put_behind(prompt + "\n" if defines(answer, name) else prompt, answer)
    setup = f"{prompt}\ndel {name}\n{test}"
    return sandbox.judge(program, f"check({name})", names=(name,), setup=setup).finished


def defines(code: str, name: str) -> bool:
    """Whether `code` defines `name` or assigns to it at the start of a line; the code is not parsed, it may be anything."""
    return re.search(rf"^(?:(?:(?:async\s+)?def|class)\s+{name}\b|{name}\s*(?::|=(?!=)))", code, re.MULTILINE) is not None


def mutate(problem: Problem) -> str | None:
    """The whole canonical function with another value for its last return."""
    return code.mutate(problem.meta["prompt"] + problem.answers[0])


TASK = Task(
    name="humaneval",
    source=f"Chen et al. 2021, {SOURCE}",
    licence="MIT",
    load=load,
    extract=extract,
    grade=grade,
    ready=ready,
    instruction="",
    reply=OPENING,
    stop=FENCE,
    mutate=mutate,
    hub=Hub(dataset="openai/openai_humaneval", files={"test": ("openai_humaneval/test-*.parquet",)}),
    size=164,
    ran_on="164 rows",
)
