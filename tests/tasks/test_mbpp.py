import json
from pathlib import Path
from typing import Any

import pytest

from reflectgen.config import PromptConfig
from reflectgen.errors import InputError, OptionError
from reflectgen.evaluate.gold import answers_of, check_gold
from reflectgen.prompts import messages
from reflectgen.tasks import of_file
from reflectgen.tasks.mbpp import SPLITS, TASK
from reflectgen.types import Problem

DATA = Path(__file__).parent / "data" / "mbpp.jsonl"
ROW: dict[str, Any] = {
    "task_id": 20,
    "text": "Write a function to find the size of a number.",
    "code": "import sys\r\ndef size(n):\r\n    return sys.getsizeof(n)",
    "test_list": ["assert size(1) == sys.getsizeof(1)", "assert size(10 ** 99) > size(1)"],
    "test_setup_code": "",
}

DIVISORS = "def sum(a, b): return total(d for d in range(1, min(a, b)) if a % d == b % d == 0)"


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "mbpp.jsonl"
    path.write_text(json.dumps({key: value for key, value in {**ROW, **changes}.items() if value is not None}))
    return path


def problems(split: str) -> dict[str, Problem]:
    return {problem.id: problem for problem in TASK.load(DATA, split, None, 0)}


def test_the_prompt_is_the_text_and_its_asserts() -> None:
    prompt = TASK.prompt(PromptConfig(system="Be brief."))
    assert [message["content"] for message in messages(problems("test")["mbpp/126"].text, prompt)] == [
        "Be brief.",
        "Write a python function to find the sum of common divisors of two given numbers.\n"
        "The code must pass these tests:\n"
        "assert sum(10,15) == 6\nassert sum(100,150) == 93\nassert sum(4,6) == 3\n"
        "Answer with one Python code block and nothing else.",
    ]
    assert (prompt.reply, prompt.stop) == ("```python\n", "```")


def test_the_splits_are_the_publishers() -> None:
    assert {split: len(ids) for split, ids in SPLITS.items()} == {"prompt": 10, "test": 500, "validation": 90, "train": 374}
    assert list(problems("test")) == ["mbpp/126", "mbpp/367"]
    assert list(problems("train")) == ["mbpp/601"]
    with pytest.raises(InputError, match="holds no problems"):
        problems("validation")
    with pytest.raises(OptionError, match="Unknown split 'dev'"):
        problems("dev")


@pytest.mark.parametrize("split", ["test", "train"])
def test_gold_passes_its_own_grader(split: str) -> None:
    rows = list(problems(split).values())
    found = check_gold(TASK, *answers_of(TASK, rows))
    assert found.golds.count == len(rows) and found.holds


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("def sum(a, b): return len([d for d in range(1, a) if a % d == b % d == 0])", False),
        ("from builtins import sum as total\n" + DIVISORS, True),
        ("def sum(a, b): return 6", False),
        ("raise SystemExit(0)", False),
        (None, False),
    ],
)
def test_all_asserts_must_hold(answer: str | None, right: bool) -> None:
    assert TASK.grade(answer, problems("test")["mbpp/126"]) is right


def test_modules_that_a_test_names_are_its_own(tmp_path: Path) -> None:
    (problem,) = TASK.load(written(tmp_path), "test", None, 0)
    assert (problem.meta["imports"], problem.meta["names"]) == ("import sys", ("size",))
    assert TASK.grade("from sys import getsizeof as size", problem)
    assert not TASK.grade("import sys\nsys.getsizeof = lambda n: 0\ndef size(n): return sys.getsizeof(n)", problem)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"task_id": "20"}, "the field 'task_id' must be a whole number"),
        ({"text": None}, "the field 'text' is missing"),
        ({"code": ""}, "the field 'code' is empty"),
        ({"code": "def f(:"}, r"its code or tests are no Python \(invalid syntax\)"),
        ({"test_list": "assert True"}, "the field 'test_list' must be a list of asserts"),
        ({"test_list": []}, "the field 'test_list' must be a list of asserts"),
        ({"test_setup_code": 3}, "the field 'test_setup_code' must be a string"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=f"mbpp.jsonl, line 1: {fault}"):
        TASK.load(written(tmp_path, **changes), "test", None, 0)


def test_the_file_is_known_by_its_fields_and_asked_for() -> None:
    assert of_file(DATA) is TASK
    with pytest.raises(InputError, match=r"reads the publisher's mbpp\.jsonl from https://github\.com"):
        TASK.load(None, "test", None, 0)
