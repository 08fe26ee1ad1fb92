from typing import Any

import pytest

from reflectgen.errors import SandboxError
from reflectgen.sandbox import choice
from reflectgen.tasks.code import extract, last_block, mutate, ready


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("def f():\n    return 1\n```", "def f():\n    return 1\n"),
        ("    return 1\n```\nIt returns 1.", "    return 1\n"),
        ("x = 1", "x = 1"),
        ("x = 1\n```\nAnother way:\n```python\nx = 2\n```", "x = 1\n"),
        ("```python\nx = 1\n```", "x = 1\n"),
        ("Here it is:\n```py  \nx = 1\n```\nDone.", "x = 1\n"),
        ("```python3\nx = 1", "x = 1"),
        ("Here it is:\n```\nx = 1\n```", "x = 1\n"),
        ("Here it is:\n```\nx = 1\n```\nOr:\n```\nx = 2\n```", "x = 1\n"),
        ("x = 1\n```\nOr:\n```\nx = 2\n```", "x = 1\n"),
        ("", None),
        ("\n```", None),
        ("```python\n```", None),
    ],
)
def test_the_code_ends_at_its_fence(reply: str, code: str | None) -> None:
    assert extract(reply) == code


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("```python\nx = 1\n```", "x = 1\n"),
        ("A try:\n```python\nx = 1\n```\nBetter:\n```py\nx = 2\n```\nDone.", "x = 2\n"),
        ("It prints:\n  ```\nx = 1\n  ```", "x = 1\n"),
        ("```python\nx = 1\n```\n```python\nx = ", "x = 1\n"),
        ("```python\nx = 1\n```\n```\n```", "x = 1\n"),
        ("Call ```f``` first.", None),
        ("x = 1", None),
        ("```python\nx = 1", None),
        ("", None),
    ],
)
def test_the_last_whole_block_is_the_answer(reply: str, code: str | None) -> None:
    assert last_block(reply) == code


def test_a_program_is_changed_in_what_it_returns() -> None:
    program = "def f(x):\n    if x:\n        return 1\n    return x == 2\n"
    changed: dict[str, Any] = {}
    exec(mutate(program) or "", changed)
    assert (changed["f"](3), changed["f"](0)) == (1, "changed")
    exec(mutate(program, every=True) or "", changed)
    assert (changed["f"](3), changed["f"](0)) == (None, "changed")
    assert mutate("print(1)") is mutate("def f(:") is None
    assert "return None if None else 'changed'" in (mutate("def f(): return") or "")


def test_no_sandbox_is_told_before_anything_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    monkeypatch.setattr(choice, "fault", lambda name: "forbidden")
    choice._chosen.cache_clear()
    with pytest.raises(SandboxError, match="this machine grants no sandbox"):
        ready()
