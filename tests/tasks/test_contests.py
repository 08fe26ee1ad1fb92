import base64
import json
import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest

from reflectgen.errors import InputError
from reflectgen.rows import Row
from reflectgen.tasks import contests
from reflectgen.tasks.contests import grade, pickled_text, same_output, stored_tests
from reflectgen.types import Problem

STDIN = [{"input": "2\n", "output": "4\n", "testtype": "stdin"}, {"input": "-3\n", "output": "9\n", "testtype": "stdin"}]
FUNCTION = [{"input": "[1, 2]\n3", "output": "[4, 5]", "testtype": "functional"}]


def packed(text: Any, protocol: int = 4) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(text, protocol))).decode()


def row(public: Any = STDIN, private: str = "[]", metadata: str = "{}") -> Row:
    values = {"public_test_cases": json.dumps(public), "private_test_cases": private, "metadata": metadata}
    return Row(Path("test.jsonl"), 1, values)


def problem(**fields: Any) -> Problem:
    return Problem(text="", meta=stored_tests(row(**fields)))


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickled_text_is_read_without_unpickling(protocol: int) -> None:
    for text in ("", "[]", "ü" * 300, "x" * 70_000):
        assert pickled_text(pickle.dumps(text, protocol)) == text


class Owner:
    def __reduce__(self) -> Any:
        return os.system, ("touch owned",)


@pytest.mark.parametrize("held", [Owner(), ["x"], {"a": "b"}, 3, b"x", None, ("x", "y")])
def test_a_pickle_of_anything_else_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for protocol in range(6):
        with pytest.raises(ValueError, match="pickle"):
            pickled_text(pickle.dumps(held, protocol))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("private", "fault"),
    [
        (packed(Owner()), "the pickle holds more than a text .*: store its JSON instead"),
        (packed("[]")[:-8], "its tests cannot be read"),
        ("no base64", "neither JSON nor packed JSON"),
        (base64.b64encode(b"no zlib").decode(), "neither JSON nor packed JSON"),
        (base64.b64encode(zlib.compress(b"no pickle")).decode(), "its tests cannot be read"),
        (packed("no JSON"), "its tests cannot be read"),
        ('[{"input": "1"}]', r"its tests cannot be read \('testtype'\)"),
        ('[{"input": "1", "output": "2", "testtype": "functional"}]', "one is not of the type stdin"),
        ("[" * 99_999, "maximum recursion depth exceeded"),
    ],
)
def test_tests_that_cannot_be_read_are_told(private: str, fault: str) -> None:
    with pytest.raises(InputError, match=rf"test\.jsonl, line 1: .*{fault}"):
        stored_tests(row(private=private))


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contests, "LARGEST", 1_000)
    assert len(contests._unpacked(base64.b64encode(zlib.compress(bytes(1_000))).decode())) == 1_000
    with pytest.raises(InputError, match="cut off, or hold more than 1,000 characters"):
        stored_tests(row(private=base64.b64encode(zlib.compress(bytes(1 << 20))).decode()))


def test_there_must_be_tests() -> None:
    with pytest.raises(InputError, match=r"its tests cannot be read \(there are none\)"):
        stored_tests(row(public=[]))


@pytest.mark.parametrize(
    ("program", "right"),
    [
        ("print(int(input()) ** 2)", True),
        ("n = int(input())\nprint(n * n, end='')", True),
        ("from __future__ import annotations\nprint(int(input()) ** 2)", True),
        ("print(f'{float(input()) ** 2}')", True),
        ("def solve():\n    print(pow(int(sys.stdin.readline()), 2))\nif __name__ == '__main__':\n    solve()", True),
        ("print(4)", False),
        ("print(int(input()) ** 2)\nprint()\nprint(1)", False),
        ("print(int(input()) ** 2)\nraise ValueError", False),
        ("n = int(input()", False),
        ("", False),
        (None, False),
    ],
)
def test_a_program_prints_what_is_expected_for_every_input(program: str | None, right: bool) -> None:
    assert grade(program, problem(private=packed(json.dumps(STDIN[1:])))) is right


@pytest.mark.parametrize(
    ("program", "right"),
    [
        ("class Solution:\n    def shift(self, nums: List[int], by: int):\n        return [n + by for n in nums]", True),
        ("class Solution:\n    def shift(self, nums, by):\n        return tuple(n + by for n in nums)", True),
        ("def shift(nums, by):\n    return [n + by for n in nums]", True),
        ("from __future__ import annotations\ndef shift(nums: List, by):\n    return [n + by for n in nums]", True),
        ("class Solution:\n    def shift(self, nums, by):\n        return nums", False),
        ("class Solution:\n    def move(self, nums, by):\n        return [4, 5]", False),
        ("class Solution:\n    def shift(self, nums, by):\n        import os; os._exit(0)", False),
        ("print('[4, 5]')", False),
    ],
)
def test_a_function_returns_what_is_expected(program: str, right: bool) -> None:
    assert grade(program, problem(public=FUNCTION, metadata='{"func_name": "shift"}')) is right


@pytest.mark.parametrize(
    ("printed", "expected", "same"),
    [
        ("1\n2\n", "1 \n 2", True),
        ("0.50 1e3", "0.5 1000", True),
        ("YES", "yes", False),
        ("1 2", "1\n2", False),
        ("1", "1 1", False),
        ("0.3333333", "0.3333334", False),
        ("nan", "nan", True),
        ("1e999999999", "2", False),
    ],
)
def test_outputs_are_the_same_line_by_line(printed: str, expected: str, same: bool) -> None:
    assert same_output(printed, expected) is same
