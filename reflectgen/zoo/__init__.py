"""What ships with the package: models, and heads for real backbones. Each folder's README is its card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reflectgen.errors import unknown

MODELS = {"tiny": "Writes and grades word problems of four to six events; trained from nothing on a CPU."}
"""Name of a bundled model -> what it is, in a sentence."""


@dataclass(frozen=True, slots=True)
class ShippedHead:
    """Which backbone a head in `heads/` is meant for."""

    backbones: tuple[str, ...]
    """What that model is called on the Hub; more than one where it is published more than once."""
    fingerprint: str
    """Of the very copy that it was trained on (`reflectgen.model.fingerprint`)."""


HEADS: dict[str, ShippedHead] = {
    "qwen2.5-coder-0.5b-code": ShippedHead(("Qwen/Qwen2.5-Coder-0.5B-Instruct",), "qwen2-24x896-51acddd60ad6971d"),
}
"""Folder in `heads/` -> its backbone."""
HEADS_FOLDER = Path(__file__).parent / "heads"


def path(name: str) -> Path:
    """Folder of the bundled model `name`; raises `OptionError` for an unknown one."""
    if name not in MODELS:
        raise unknown("bundled model", name, MODELS)
    return Path(__file__).parent / name


def head_for(backbone: str, fingerprint: str) -> str | None:
    """Name of the head that ships for a backbone: the one of its fingerprint, else the one for models of that name."""
    by_fingerprint = (name for name, head in HEADS.items() if head.fingerprint == fingerprint)
    by_name = (name for name, head in HEADS.items() if backbone.casefold() in map(str.casefold, head.backbones))
    return next(by_fingerprint, next(by_name, None))


def head_path(name: str) -> Path:
    """Folder of the shipped head `name`."""
    return HEADS_FOLDER / name
