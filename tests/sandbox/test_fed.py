"""A program with something on its standard input, under every protection."""

from __future__ import annotations

import pytest

from reflectgen.sandbox import Limits, run

LONG = "7" * 300_000 + "\n"


@pytest.mark.parametrize(
    ("program", "given", "printed"),
    [
        ("print(int(input()) + int(input()))", "2\n3\n", "5\n"),
        ("import sys\nprint(sum(map(int, sys.stdin)))", "2\n3\n", "5\n"),
        ("import sys\nprint(sys.stdin.buffer.read())", "a\n", "b'a\\n'\n"),
        ("print(len(open(0).read()))", LONG, "300001\n"),
        ("import os\nprint(os.read(0, 3))", "abcd", "b'abc'\n"),
        ("from __future__ import annotations\nprint(__name__, input())", "x", "__main__ x\n"),
        ("print(repr(input()))", "é\n", "'é'\n"),
    ],
)
def test_it_finds_what_was_given(protection: str, program: str, given: str, printed: str) -> None:
    outcome = run(program, stdin=given)
    assert (outcome.status, outcome.stdout) == ("finished", printed), outcome.stderr


def test_by_default_nothing_is_there(protection: str) -> None:
    assert run("import sys\nprint(repr(sys.stdin.read()))").stdout == "''\n"
    assert run("input()").status == "error"


def test_what_was_given_cannot_be_written(protection: str) -> None:
    outcome = run("import os\ntry:\n    os.write(0, b'x')\nexcept OSError:\n    print('refused')", stdin="y")
    assert outcome.stdout == "refused\n"


def test_the_limits_hold(protection: str) -> None:
    assert run("input()\nwhile True: pass", stdin="x\n", limits=Limits(seconds=1)).status == "timeout"
