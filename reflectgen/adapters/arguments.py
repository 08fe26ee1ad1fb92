"""What a harness passes as the arguments of a model: those that load it, and those that say how it solves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from reflectgen.config import PromptConfig
from reflectgen.errors import unknown
from reflectgen.load import load
from reflectgen.reflector import Options, Reflector, check

LOADING = (
    "head",
    "engine",
    "device",
    "dtype",
    "kv_budget",
    "step_rule",
    "prm",
    "allow_backbone_mismatch",
    "trust_remote_code",
)
"""Arguments of `reflectgen.load.load`, under their names there."""
SOLVING = tuple(name for name in Options.__annotations__ if name not in ("extract", "observe"))
"""Options of `Reflector.solve`, under their names there."""


def split(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], Options]:
    """The arguments that load a model, and those that say how it solves, checked; raises `OptionError` for any other."""
    for name in arguments:
        if name not in LOADING and name not in SOLVING:
            raise unknown("argument of the model", name, (*LOADING, *SOLVING))
    options = cast(Options, {name: value for name, value in arguments.items() if name in SOLVING})
    check(options)
    return {name: value for name, value in arguments.items() if name in LOADING}, options


def open_model(model: str, instruction: str, loading: Mapping[str, Any]) -> Reflector:
    """The model, which is asked what the harness asks and `instruction`, in place of what its own files say."""

    def asked(own: PromptConfig) -> PromptConfig:
        return own.model_copy(update={"instruction": instruction})

    return load(model, prompt=asked, **loading)
