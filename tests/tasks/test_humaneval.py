import gzip
import json
from pathlib import Path

import pytest

from reflectgen.config import PromptConfig
from reflectgen.errors import InputError, OptionError
from reflectgen.evaluate.gold import answers_of, check_gold
from reflectgen.prompts import messages
from reflectgen.tasks import of_file
from reflectgen.tasks.humaneval import TASK, defines
from reflectgen.types import Problem

DATA = Path(__file__).parent / "data" / "humaneval.jsonl"
ADD = "def add(x: int, y: int):\n    return x + y\n"


@pytest.fixture
def problems() -> dict[str, Problem]:
    return {problem.id: problem for problem in TASK.load(DATA, "test", None, 0)}


def test_the_prompt_is_the_publishers_in_a_block(problems: dict[str, Problem]) -> None:
    prompt = TASK.prompt(PromptConfig())
    (message,) = messages(problems["HumanEval/53"].text, prompt)
    assert message["content"] == (
        "Complete this function:\n```python\n\n\ndef add(x: int, y: int):\n"
        '    """Add two numbers x and y\n    >>> add(2, 3)\n    5\n    >>> add(5, 7)\n    12\n    """\n'
        "```\nAnswer with one Python code block and nothing else."
    )
    assert (prompt.reply, prompt.stop) == ("```python\n", "```")


def test_gold_passes_its_own_grader(problems: dict[str, Problem]) -> None:
    assert list(problems) == ["HumanEval/0", "HumanEval/38", "HumanEval/53"]
    found = check_gold(TASK, *answers_of(TASK, list(problems.values())))
    assert found.golds.count == 3 and found.holds


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (ADD, True),
        ("add = lambda x, y: y + x", True),
        ("from __future__ import annotations\n\n" + ADD, True),
        ("    return x + y", True),
        ("    return x - y", False),
        ("def plus(x, y): return x + y", False),
        (ADD + "add(1)", False),
        (ADD + "import os; os._exit(0)", False),
        (ADD.replace("+", "-") + "def check(candidate): pass\n", False),
        (None, False),
    ],
)
def test_answers_are_run(problems: dict[str, Problem], answer: str | None, right: bool) -> None:
    assert TASK.grade(answer, problems["HumanEval/53"]) is right


def test_an_answer_may_rely_on_the_imports_of_its_prompt(problems: dict[str, Problem]) -> None:
    answer = """def has_close_elements(numbers: List[float], threshold: float) -> bool:
    return any(abs(a - b) < threshold for i, a in enumerate(numbers) for b in numbers[:i])
"""
    assert TASK.grade(answer, problems["HumanEval/0"])


def test_helpers_of_a_test_are_the_publishers(problems: dict[str, Problem]) -> None:
    problem = problems["HumanEval/38"]
    same = "def encode_cyclic(s): return s\ndef decode_cyclic(s): return s"
    right = """
def decode_cyclic(s):
    groups = [s[i : i + 3] for i in range(0, len(s), 3)]
    return "".join(group[-1] + group[:-1] if len(group) == 3 else group for group in groups)
"""
    assert not TASK.grade(same, problem)
    assert TASK.grade(right, problem)


def test_a_definition_is_found_by_its_line() -> None:
    assert all(defines(f"x = 1\n{code}", "f") for code in ("def f(x):", "async def  f(x):", "class f:", "f = 1", "f: int = 1"))
    assert not any(defines(code, "f") for code in ("", "    f = 1", "def ff(x):", "f(1)", "def g(f):", "f == 1"))


def test_the_publishers_file_is_read_as_it_is(tmp_path: Path, problems: dict[str, Problem]) -> None:
    packed = tmp_path / "HumanEval.jsonl.gz"
    packed.write_bytes(gzip.compress(DATA.read_bytes()))
    assert {problem.id: problem for problem in TASK.load(packed, "test", None, 0)} == problems
    assert of_file(packed) is TASK


def test_what_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"reads the publisher's HumanEval\.jsonl\.gz from https://github\.com"):
        TASK.load(None, "test", None, 0)
    with pytest.raises(OptionError, match="Unknown split 'train'"):
        TASK.load(DATA, "train", None, 0)
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"task_id": "HumanEval/0", "prompt": "def f():", "entry_point": "f", "canonical_solution": "1"}))
    with pytest.raises(InputError, match=r"rows\.jsonl, line 1: the field 'test' is missing"):
        TASK.load(path, "test", None, 0)
