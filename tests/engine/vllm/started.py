"""Servers that `reflectgen serve-engine` starts on a small CPU, and how they end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from engine.vllm.real import OPTIONS

STARTING = 900
"""Seconds that a server has to start."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process of a server of the bundled model, in a group of its own, which is ended with all that it started."""
    port = free_port()
    flags += tuple(word for name, value in OPTIONS.items() for word in _flag(name, value))
    command = [sys.executable, "-m", "reflectgen", "serve-engine", "--host", "127.0.0.1", "--port", str(port), *flags]
    with (folder / f"{port}.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{port}/v1", server
    finally:
        kill(server)


def _flag(name: str, value: Any) -> list[str]:
    return [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]


def kill(server: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the server and all of its processes."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def wait_for(url: str, server: subprocess.Popen[bytes], folder: Path) -> None:
    for _ in range(STARTING):
        if server.poll() is not None:
            break
        try:
            with urlopen(f"{url}/models", timeout=5):
                return
        except OSError:
            time.sleep(1)
    pytest.fail("".join(log.read_text(errors="replace")[-2000:] for log in folder.glob("*.log")))
