"""What the command line says of effort and search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reflectgen import search
from reflectgen.config import EFFORTS, Effort, Efforts, load_recipe, yaml_value
from reflectgen.errors import OptionError, unknown


def named(name: str, file: Path | None) -> str | Effort:
    """The effort `name`: of the efforts in `file` where there is one, else one of the package's.

    Raises `OptionError` where the file has it not either, and `InputError` for a file that cannot be read.
    """
    if file is None:
        return name
    own: Efforts = load_recipe(Efforts, file)
    known = {**EFFORTS, **own.efforts}
    if name not in known:
        raise unknown("effort", name, known)
    return known[name]


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """What was given as NAME=VALUE, the values as YAML; raises `OptionError` for one that is not of that form."""
    return dict(map(_setting, pairs))


def _setting(pair: str) -> tuple[str, Any]:
    name, equals, text = pair.partition("=")
    if not equals or not name:
        raise OptionError(f"--set '{pair}' is not of the form NAME=VALUE.")
    return name, yaml_value(text, f"--set '{pair}'")


def whole_settings(effort: Effort) -> dict[str, Any]:
    """The settings of the effort's strategy, defaults included; of one that is not of the package those that were given."""
    kind = search.SETTINGS.get(effort.strategy)
    return dict(effort.settings) if kind is None else kind.parse(effort.settings, "The settings").model_dump()
