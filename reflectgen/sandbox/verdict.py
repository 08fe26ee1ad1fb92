"""Whether an answer passes its tests, told by a process that the answer has no part in (`exchange`)."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from reflectgen.sandbox.base import LIMITS, Limits, Outcome
from reflectgen.sandbox.choice import choose
from reflectgen.sandbox.process import started


def judge(answer: str, tests: str, *, names: Sequence[str], setup: str = "", limits: Limits = LIMITS) -> Outcome:
    """Run `tests` against `answer`, each in a sandbox of its own; the outcome is that of the tests.

    `setup` runs before them, with the tests; `names` are what the tests take from the answer, and all they take. The outcome
    is `finished` only where all tests hold. Raises `SandboxError` where this machine grants no sandbox.
    """
    protection = choose()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        near, far = ours.fileno(), theirs.fileno()
        with (
            started(_program(f"serve({far}, {answer!a})"), protection, limits, passed=(far,), heard=False),
            started(
                _program(f"judge({near}, {setup!a}, {tests!a}, {tuple(names)!a})"), protection, limits, passed=(near,)
            ) as running,
        ):
            ours.close()
            theirs.close()
            return running.wait()


def _program(call: str) -> str:
    return f"{_exchange()}\n{call}\n"


@cache
def _exchange() -> str:
    return Path(__file__).with_name("exchange.py").read_text(encoding="utf-8")
