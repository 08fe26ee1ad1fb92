import pytest

from reflectgen.errors import SandboxError
from reflectgen.sandbox import choice
from reflectgen.tasks.code import extract, ready


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


def test_no_sandbox_is_told_before_anything_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    monkeypatch.setattr(choice, "fault", lambda name: "forbidden")
    choice._chosen.cache_clear()
    with pytest.raises(SandboxError, match="this machine grants no sandbox"):
        ready()
