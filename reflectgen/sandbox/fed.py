"""A program that finds something on its standard input, where Python itself reads the program from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_PROGRAM = """import os, sys
os.dup2({descriptor}, 0)
os.close({descriptor})
sys.stdin = open(0, encoding="utf-8")
exec(compile({program!a}, "<program>", "exec", dont_inherit=True))
"""


@contextmanager
def fed(program: str, given: str) -> Iterator[tuple[str, int]]:
    """`program`, made to find the text `given` on its standard input, and the file descriptor that it must inherit for this."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(given.encode(errors="replace"))
        file.flush()
        with open(file.name, "rb", buffering=0) as source:
            descriptor = source.fileno()
            yield _PROGRAM.format(descriptor=descriptor, program=program), descriptor
