"""The sandbox under each protection that this machine grants; the others are skipped, and the reason is told."""

from __future__ import annotations

import pytest

from reflectgen.sandbox import choice


@pytest.fixture(params=["bubblewrap", "namespaces", "landlock"])
def protection(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a protection, in force for the test."""
    name: str = request.param
    if fault := choice.fault(name):
        pytest.skip(f"{name}: {fault}")
    monkeypatch.setenv(choice.VARIABLE, name)
    return name
