from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from reflectgen.commands import comparison
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.reflector import Reflector

Run = Callable[..., Result]


def test_a_page_is_solved_and_compared(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = [Script(f"It is {n}.\n\n</think>", reply=f"\\boxed{{{n}}}", logits=(-n / 10,)) for n in range(32)]
    engine = ScriptedEngine(scripts)
    loaded: list[Any] = []

    def scripted(**arguments: Any) -> Reflector:
        loaded.append(arguments)
        return Reflector(engine, engine.encode)

    monkeypatch.setattr(comparison, "open_model", scripted)
    done = run("demo", "--problems", 3, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert loaded == [{"model": "tiny", "device": "cpu"}]
    lines = done.output.splitlines()
    assert lines[0] == "One problem in full"
    assert any(line.startswith("Answer: 0  (sprm, 32 thinkings, votes 3%") for line in lines)
    header = next(line.split() for line in lines if line.startswith("chosen by"))
    assert header == ["chosen", "by", "low,", "k=2", "medium,", "k=8", "high,", "k=32"]
    assert sum(line.startswith(tuple(comparison.WAYS)) for line in lines) == len(comparison.WAYS)
    assert max(map(len, lines)) <= 80
    assert "tokens/s, loading included." in lines[-1]
