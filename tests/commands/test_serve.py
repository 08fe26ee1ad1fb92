"""`reflectgen serve`: what is wrong with a configuration is one sentence and exit code 2, before any model is loaded."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

pytest.importorskip("fastapi", reason="the extra `serve` is not installed: there is no fastapi")
pytest.importorskip("uvicorn", reason="the extra `serve` is not installed: there is no uvicorn")

Run = Callable[..., Result]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was loaded, which here is never a model."""
    asked: list[object] = []
    monkeypatch.setattr("reflectgen.commands.live.load", lambda **arguments: asked.append(arguments))
    return asked


def refused(run: Run, *arguments: object) -> str:
    """The sentence that a command ends with."""
    done = run("serve", *arguments)
    assert done.exit_code == 2
    (sentence,) = done.stderr.strip().splitlines()
    return sentence


def test_a_configuration_that_cannot_be_served(run: Run, loaded: list[object], tmp_path: Path) -> None:
    from reflectgen.serve.server import bind

    empty, secret = tmp_path / "empty", tmp_path / "missing"
    empty.write_text("\n\n")
    with bind("127.0.0.1", 0, keys=False) as taken:
        port = taken.getsockname()[1]
        assert f"The port {port} on 127.0.0.1 cannot be used" in refused(run, "--port", port)
    assert "Others could reach 0.0.0.0" in refused(run, "--host", "0.0.0.0")
    assert f"The file of API keys {secret} cannot be read: No such file" in refused(run, "--api-key-file", secret)
    assert f"{tmp_path} cannot be read" in refused(run, "--api-key-file", tmp_path)
    assert "holds no key" in refused(run, "--api-key-file", empty)
    assert "Did you mean 'high'?" in refused(run, "--effort", "hgih")
    assert "The limits: live: Input should be greater" in refused(run, "--live", 0)
    assert "--max-body 'much' is no size" in refused(run, "--max-body", "much")
    assert loaded == []


def test_a_model_that_there_is_not(run: Run, tmp_path: Path) -> None:
    handlers = logging.getLogger("reflectgen.serve").handlers
    assert f"of the name '{tmp_path / 'none'}' could be found" in refused(run, "--port", 0, "--model", tmp_path / "none")
    assert logging.getLogger("reflectgen.serve").handlers == handlers  # none that writes to where nobody listens any more


def test_an_engine_that_there_is_not(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No server answers at http://127.0.0.1:9/v1" in refused(run, "--port", 0, "--engine", "http://127.0.0.1:9/v1")
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.setitem(sys.modules, "vllm.engine.arg_utils", None)
    assert "needs vLLM, which is not installed" in refused(run, "--port", 0, "--engine", "vllm")


def test_without_the_extra_it_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "reflectgen.serve.server", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert refused(run) == "Serving needs the package uvicorn: pip install 'reflectgen[serve]'."
