"""reflectgen: language models that grade their own reasoning steps while they decode.

    with reflectgen.load() as model:  # the bundled model; or a Hub name, a folder, a .gguf file
        result = model.solve("Leo has 8 cards. On Monday, Leo buys 6 pairs. How many cards is that?")
        print(result.answer, result.chosen.score, result.cost)

Importing this imports no torch: the names that need it are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reflectgen.config import HeadConfig, PromptConfig, ReflectiveConfig, Sampling
from reflectgen.errors import BackboneMismatch, CapacityError, InputError, ModelError, OptionError, ReflectgenError
from reflectgen.load import load
from reflectgen.reflector import GradedText, Options, Reflector
from reflectgen.types import Choice, Cost, Problem, Result, Step, Trajectory

if TYPE_CHECKING:
    from reflectgen.model.head import SPRMHead
    from reflectgen.model.reflective import ReflectiveModel

__version__ = "0.1.0"

__all__ = [
    "BackboneMismatch",
    "CapacityError",
    "Choice",
    "Cost",
    "GradedText",
    "HeadConfig",
    "InputError",
    "ModelError",
    "OptionError",
    "Options",
    "Problem",
    "PromptConfig",
    "ReflectgenError",
    "ReflectiveConfig",
    "ReflectiveModel",
    "Reflector",
    "Result",
    "SPRMHead",
    "Sampling",
    "Step",
    "Trajectory",
    "__version__",
    "load",
]

_HEAVY = {"ReflectiveModel": "reflectgen.model.reflective", "SPRMHead": "reflectgen.model.head"}
"""Public name -> the module that defines it, for those that import torch."""


def __getattr__(name: str) -> Any:
    """Import a heavy name, once."""
    if name not in _HEAVY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HEAVY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
