"""Tests of programming contests, as LiveCodeBench stores them, and a program's verdict on them.

A test is {"input", "output", "testtype"}. With "stdin" a program finds the input on its standard input and prints the
output; with "functional" a function (`metadata["func_name"]`, a method of the class `Solution` where there is one) is
called with the JSON values in the input's lines and returns the JSON value of the output. `public_test_cases` is JSON;
`private_test_cases` is JSON, or base64 of zlib of a pickle of the JSON's text. Nothing is unpickled: the operations of the
pickle are looked at, and only those that hold one text are accepted (`pickled_text`).

What counts as right is the publisher's: printed lines, stripped, are equal, or equal as decimal numbers one by one; a
returned value equals the expected one, a tuple being a list. Programs find the names imported that the publisher imports
for them.

Deviations from the publisher's program, in which tests and answer share one interpreter:
1. A program is run anew for each of its inputs, and its output is judged elsewhere; it must end by itself, with exit code 0.
2. A function is called from another process (`reflectgen.sandbox`).
3. A program has 6 seconds of processor time for a test, 20 by the clock; a function 60 and 180 for all of its tests
   together, where the publisher allows 6 by the clock for each test. Both have 1 GiB of memory, where there are 4.
"""

from __future__ import annotations

import base64
import binascii
import json
import pickletools
import zlib
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from reflectgen import sandbox
from reflectgen.rows import Row
from reflectgen.sandbox import Limits
from reflectgen.tasks.program import put_behind
from reflectgen.types import Problem

LARGEST = 1 << 29
"""Most characters of a problem's private tests."""
STDIN_LIMITS = Limits(seconds=20, cpu_seconds=6, output_bytes=16 << 20)
FUNCTION_LIMITS = Limits(seconds=180, cpu_seconds=60)
MODULES = (
    "string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics", "itertools",
    "functools", "operator", "io", "sys", "json", "builtins", "typing",
)  # fmt: skip
"""All of their names are there for a program, those of later ones over those of earlier ones."""
PRELUDE = "\n".join(
    (
        *(f"from {module} import *" for module in MODULES),
        f"import {', '.join(module for module in MODULES if module not in ('builtins', 'typing'))}",
        "sys.setrecursionlimit(50000)",
        "",
    )
)
CALLS = """
import json
function = getattr(Solution(), {name!r}) if "Solution" in globals() else globals()[{name!r}]
for given, expected in json.loads({cases!a}):
    found = function(*given)
    assert (list(found) if isinstance(found, tuple) else found) == expected
"""
PLAIN = frozenset(
    {"PROTO", "FRAME", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "MEMOIZE", "BINPUT", "PUT", "STOP"}
)
"""Operations of a pickle that holds one text and nothing else."""


# -- what is stored ----------------------------------------------------------------------------------------------------


def stored_tests(row: Row) -> dict[str, Any]:
    """What `grade` needs of a row: its two fields of tests as they are, and the function's name, None for programs.

    Raises `InputError` where the tests cannot be read.
    """
    stored = row.text("public_test_cases"), row.text("private_test_cases")
    try:
        cases = _cases(stored)
        name = json.loads(row.values.get("metadata") or "{}").get("func_name")
        _check(cases, name)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise row.fault(f"its tests cannot be read ({error or type(error).__name__}): give the publisher's file.") from None
    return {"stored": stored, "function": name}


def _check(cases: Sequence[Mapping[str, str]], name: str | None) -> None:
    """Raise where there is no test, or one is not what its type says."""
    if not cases:
        raise ValueError("there are none")
    kind = "stdin" if name is None else "functional"
    for case in cases:
        if case["testtype"] != kind or not isinstance(case["input"], str) or not isinstance(case["output"], str):
            raise ValueError(f"one is not of the type {kind}")
    if name is not None:
        _calls(cases)


@lru_cache(maxsize=4)
def _cases(stored: tuple[str, str]) -> list[dict[str, str]]:
    """Public and private tests together; raises `ValueError` where they cannot be read."""
    public, private = stored
    try:
        hidden = json.loads(private)
    except ValueError:
        hidden = json.loads(pickled_text(_unpacked(private)))
    return [*json.loads(public), *hidden]


def _unpacked(packed: str) -> bytes:
    """What base64 and zlib hold; raises `ValueError` where they are broken, or too much is in them."""
    try:
        engine = zlib.decompressobj()
        found = engine.decompress(base64.b64decode(packed, validate=True), LARGEST)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"neither JSON nor packed JSON: {error}") from None
    if not engine.eof:
        raise ValueError(f"they are cut off, or hold more than {LARGEST:,} characters")
    return found


def pickled_text(pickled: bytes) -> str:
    """The text that a pickle holds, found without unpickling; raises `ValueError` for a pickle of anything else.

    Format: the pickle protocols 0 to 5, as the standard library's pickletools tells them.
    """
    texts = []
    for operation, argument, _ in pickletools.genops(pickled):
        if operation.name not in PLAIN:
            raise ValueError(
                f"the pickle holds more than a text ({operation.name}), so it is not opened: store its JSON instead"
            )
        if isinstance(argument, str):
            texts.append(argument)
    if len(texts) != 1:
        raise ValueError("the pickle does not hold one text")
    return texts[0]


# -- verdicts ----------------------------------------------------------------------------------------------------------


def grade(answer: str | None, problem: Problem) -> bool:
    """Whether the code `answer` passes all tests. Raises `SandboxError` where this machine grants no sandbox."""
    if answer is None:
        return False
    cases, name = _cases(problem.meta["stored"]), problem.meta["function"]
    if name is None:
        return all(_prints(answer, case["input"], case["output"]) for case in cases)
    tests = CALLS.format(name=name, cases=json.dumps(_calls(cases)))
    return sandbox.judge(put_behind(PRELUDE, answer), tests, names=("Solution", name), limits=FUNCTION_LIMITS).finished


def _prints(answer: str, given: str, expected: str) -> bool:
    outcome = sandbox.run(put_behind(PRELUDE, answer), stdin=given, limits=STDIN_LIMITS)
    return outcome.finished and same_output(outcome.stdout, expected)


def _calls(cases: Sequence[Mapping[str, str]]) -> list[tuple[list[Any], Any]]:
    """Arguments and expected value of each call."""
    return [([json.loads(line) for line in case["input"].split("\n")], json.loads(case["output"])) for case in cases]


def same_output(printed: str, expected: str) -> bool:
    """Whether all lines are the same but for the space around them, or hold the same decimal numbers."""
    found, wanted = ([line.strip() for line in text.strip().split("\n")] for text in (printed, expected))
    return len(found) == len(wanted) and all(map(_same_line, found, wanted))


def _same_line(found: str, wanted: str) -> bool:
    if found == wanted:
        return True
    try:
        return [Decimal(part) for part in found.split()] == [Decimal(part) for part in wanted.split()]
    except InvalidOperation:
        return False
