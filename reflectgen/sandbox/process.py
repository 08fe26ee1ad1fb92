"""Starts a program under a protection, listens to it within its limits, and kills it whatever happens."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

from reflectgen.sandbox.base import Limits, Outcome, Status
from reflectgen.sandbox.jail import READY
from reflectgen.sandbox.protections import ENVIRONMENT, Protection

_CHUNK = 1 << 16


@dataclass(slots=True, kw_only=True)
class Running:
    """A program that has been started."""

    process: subprocess.Popen[bytes]
    report: int
    """File descriptor on which `jail.py` tells how far it came."""
    protection: Protection
    limits: Limits
    began: float = field(default_factory=time.monotonic)

    def wait(self) -> Outcome:
        """Listen until the program ends or reaches a limit; at a limit it is killed."""
        heard: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        status = self._listen(heard) or self._end()
        kill(self.process)
        fault = self.fault() if status == "error" else ""
        return Outcome(
            status="broken" if fault else status,
            stdout=heard["stdout"].decode(errors="replace"),
            stderr=fault + heard["stderr"].decode(errors="replace"),
            seconds=time.monotonic() - self.began,
            protection=self.protection.name,
        )

    def fault(self) -> str:
        """What failed in the sandbox of a program that has ended; empty where it was started."""
        told = os.read(self.report, _CHUNK)
        if told == READY:
            return ""
        return (told.removeprefix(READY).decode(errors="replace") or "it ended before it was set up") + "\n"

    def _left(self) -> float:
        return self.began + self.limits.seconds - time.monotonic()

    def _listen(self, heard: dict[str, bytearray]) -> Status | None:
        """Collect the output until its end; the limit that it reached, if it did."""
        with selectors.DefaultSelector() as selector:
            for name in heard:
                selector.register(_pipe(self.process, name), selectors.EVENT_READ, name)
            while selector.get_map():
                ready = selector.select(max(0.0, self._left()))
                if not ready:
                    return "timeout"
                for key, _ in ready:
                    part = os.read(key.fd, _CHUNK)
                    heard[key.data] += part[: self.limits.output_bytes - sum(map(len, heard.values()))]
                    if not part:
                        selector.unregister(key.fileobj)
                if sum(map(len, heard.values())) >= self.limits.output_bytes:
                    return "flooded"
        return None

    def _end(self) -> Status:
        """How the program ends that has closed its output."""
        try:
            code = self.process.wait(max(0.0, self._left()))
        except subprocess.TimeoutExpired:
            return "timeout"
        return "finished" if code == 0 else "killed" if code < 0 or code > 128 else "error"


@contextmanager
def started(
    program: str, protection: Protection, limits: Limits, *, passed: Sequence[int] = (), heard: bool = True
) -> Iterator[Running]:
    """The Python source `program`, running; killed on leaving.

    It inherits the file descriptors `passed` under their numbers. Where it is not `heard`, its output goes nowhere and
    `wait` must not be asked of it. Raises `SandboxError` where the protection cannot be had.
    """
    report, writer = os.pipe()
    try:
        process = _popen(program, protection.command(limits, writer), (writer, *passed), heard=heard)
    except BaseException:
        os.close(report)
        raise
    finally:
        os.close(writer)
    with process:
        try:
            yield Running(process=process, report=report, protection=protection, limits=limits)
        finally:
            kill(process)
            os.close(report)


def _popen(program: str, command: list[str], passed: Sequence[int], *, heard: bool) -> subprocess.Popen[bytes]:
    """Start `command` with `program` on its standard input, which cannot be written to."""
    output = subprocess.PIPE if heard else subprocess.DEVNULL
    with tempfile.NamedTemporaryFile() as file:
        file.write(program.encode(errors="replace"))
        file.flush()
        with open(file.name, "rb") as source:
            return subprocess.Popen(
                command,
                stdin=source,
                stdout=output,
                stderr=output,
                env=ENVIRONMENT,
                cwd="/",
                pass_fds=passed,
                start_new_session=True,
            )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process's whole group, which may outlive it, and wait for its end."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _pipe(process: subprocess.Popen[bytes], name: str) -> IO[bytes]:
    pipe: IO[bytes] = getattr(process, name)
    return pipe
