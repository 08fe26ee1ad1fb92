"""The command `reflectgen serve` in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Served:
    """A process that serves."""

    process: subprocess.Popen[str]
    url: str = ""
    lines: list[str] = field(default_factory=list)
    """What it has logged."""

    def read(self) -> None:
        """Read its log to the end."""
        assert self.process.stderr is not None
        with self.process.stderr as log:
            for line in log:
                self.lines.append(line)
                if found := re.search(r'"ready".*"(http://[^"]+)"', line):
                    self.url = found[1]


@contextmanager
def process(*options: str) -> Iterator[Served]:
    """A service of the bundled model; it is killed at the end if it still runs."""
    command = [sys.executable, "-m", "reflectgen", "serve", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    served = Served(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment))
    reader = threading.Thread(target=served.read)
    reader.start()
    try:
        while not served.url:
            assert reader.is_alive(), "it ended before it was ready:\n" + "".join(served.lines)
            time.sleep(0.02)
        yield served
    finally:
        served.process.kill()
        served.process.wait(30)
        reader.join(30)
