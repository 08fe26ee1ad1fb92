"""Which protection is used, and what is said where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reflectgen.errors import OptionError, SandboxError
from reflectgen.sandbox import choice, choose, judge, run
from reflectgen.sandbox.protections import PROTECTIONS


@pytest.fixture(autouse=True)
def afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    choice._chosen.cache_clear()
    yield
    choice._chosen.cache_clear()


def only(monkeypatch: pytest.MonkeyPatch, *granted: str) -> None:
    """Let this machine grant these protections and no others."""
    monkeypatch.setattr(choice, "fault", lambda name: "" if name in granted else f"{name} is forbidden.")


def test_the_strongest_that_works_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "namespaces", "landlock", "unsafe")
    assert choose().name == "namespaces"


def test_none_is_refused_and_the_mend_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "unsafe")
    sentence = r"bubblewrap: bubblewrap is forbidden; namespaces: .*install bubblewrap, .* REFLECTGEN_SANDBOX=unsafe"
    with pytest.raises(SandboxError, match=sentence):
        choose()
    with pytest.raises(SandboxError):
        run("print(1)")
    with pytest.raises(SandboxError):
        judge("", "", names=())


def test_unsafe_is_used_only_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choice.VARIABLE, "unsafe")
    outcome = run("import sys; print(6 * 7); sys.exit(1)")
    assert (outcome.status, outcome.stdout, outcome.protection) == ("error", "42\n", "unsafe")
    assert judge("f = abs", "assert f(-1) == 1", names=("f",)).finished
    assert not judge("f = abs", "assert f(-1) == 2", names=("f",)).finished


def test_unsafe_too_is_killed_as_a_group(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(choice.VARIABLE, "unsafe")
    late = tmp_path / "late"
    program = f"import os, time\nif os.fork() == 0:\n os.closerange(0, 3); time.sleep(1); open({str(late)!r}, 'w')"
    assert run(program).finished
    time.sleep(1.5)
    assert not late.exists()


def test_a_named_protection_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "namespaces")
    monkeypatch.setenv(choice.VARIABLE, "landlock")
    with pytest.raises(SandboxError, match=r"\(landlock: landlock is forbidden\)"):
        choose()


def test_an_unknown_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(choice.VARIABLE, "unsave")
    with pytest.raises(OptionError, match=r"Unknown value of REFLECTGEN_SANDBOX 'unsave'.*Did you mean 'unsafe'\?"):
        choose()


def test_the_probe_is_a_real_run() -> None:
    assert choice.fault("unsafe") == ""
    assert all(isinstance(choice.fault(name), str) for name in PROTECTIONS)
