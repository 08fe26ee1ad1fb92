"""Whether an answer passes its tests, told by a process that the answer has no part in (`exchange`)."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from reflectgen.errors import SandboxError
from reflectgen.sandbox.base import LIMITS, Limits, Outcome
from reflectgen.sandbox.choice import choose
from reflectgen.sandbox.process import Running, started


def judge(answer: str, tests: str, *, names: Sequence[str], setup: str = "", limits: Limits = LIMITS) -> Outcome:
    """Run `tests` against `answer`, each in a sandbox of its own; the outcome is that of the tests.

    `setup` runs before them, with the tests; `names` are what the tests take from the answer, and all they take. The outcome
    is `finished` only where all tests hold. Raises `SandboxError` where this machine grants no sandbox, and where one of the
    two failed, so that a fault of the machine is never taken for a wrong answer.
    """
    protection = choose()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        near, far = ours.fileno(), theirs.fileno()
        with (
            started(_program(f"serve({far}, {answer!a})"), protection, limits, passed=(far,), heard=False) as served,
            started(
                _program(f"judge({near}, {setup!a}, {tests!a}, {tuple(names)!a})"), protection, limits, passed=(near,)
            ) as running,
        ):
            ours.close()
            theirs.close()
            outcome = running.wait()
            _check(outcome, served)
    return outcome


def _check(outcome: Outcome, served: Running) -> None:
    """Raise where the sandbox of the tests, or that of the answer which they then found gone, was never set up."""
    fault = outcome.stderr if outcome.status == "broken" else served.fault() if outcome.status == "error" else ""
    if fault:
        told = " ".join(fault.split())
        raise SandboxError(f"The sandbox '{outcome.protection}' failed, so that no verdict was reached ({told}): try again.")


def _program(call: str) -> str:
    return f"{_exchange()}\n{call}\n"


@cache
def _exchange() -> str:
    return Path(__file__).with_name("exchange.py").read_text(encoding="utf-8")
