"""Models that ship with the package: a table of names, and where their files lie. Each folder's README is its card."""

from __future__ import annotations

from pathlib import Path

from reflectgen.errors import unknown

MODELS = {"tiny": "Writes and grades word problems of four to six events; trained from nothing on a CPU."}
"""Name of a bundled model -> what it is, in a sentence."""


def path(name: str) -> Path:
    """Folder of the bundled model `name`; raises `OptionError` for an unknown one."""
    if name not in MODELS:
        raise unknown("bundled model", name, MODELS)
    return Path(__file__).parent / name
