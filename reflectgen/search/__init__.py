"""Search strategies, one a file, all of the signature `Strategy`, and the tables of their names and settings."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from reflectgen import registry
from reflectgen.config import Config
from reflectgen.config import search as settings
from reflectgen.errors import OptionError
from reflectgen.search.adaptive import adaptive
from reflectgen.search.base import Answering, Request, Strategy
from reflectgen.search.beam import beam
from reflectgen.search.best_of_n import best_of_n
from reflectgen.search.budget import budget
from reflectgen.search.choice import pick
from reflectgen.search.deepconf import deepconf
from reflectgen.search.dvts import dvts
from reflectgen.search.esc import esc
from reflectgen.search.mcts import mcts
from reflectgen.search.pruned import pruned

STRATEGIES: dict[str, Strategy] = {
    "best_of_n": best_of_n,
    "beam": beam,
    "dvts": dvts,
    "mcts": mcts,
    "pruned": pruned,
    "adaptive": adaptive,
    "budget": budget,
    "deepconf": deepconf,
    "esc": esc,
}
"""Name -> strategy."""

SETTINGS: dict[str, type[Config]] = {
    "best_of_n": settings.BestOfNSettings,
    "beam": settings.BeamSettings,
    "dvts": settings.BeamSettings,
    "mcts": settings.MctsSettings,
    "pruned": settings.PrunedSettings,
    "adaptive": settings.AdaptiveSettings,
    "budget": settings.LengthSettings,
    "deepconf": settings.DeepConfSettings,
    "esc": settings.EscSettings,
}
"""Name -> class of its settings. One that is not of the package gets its settings as they are given."""

OWN_SELECT = {"adaptive": "weighted", "deepconf": "weighted:confidence", "esc": "majority"}
"""Name -> the selector that belongs to it: where none is asked for and the model can do it."""

COMPARING = ("adaptive", "deepconf", "esc")
"""Strategies that decide by comparing answers, so that every thinking has to give one."""

REPLAYED = ("best_of_n", "pruned", "adaptive", "deepconf", "esc")
"""Strategies that draw nothing but whole thinkings, so that stored ones can be played to them."""

__all__ = [
    "COMPARING",
    "OWN_SELECT",
    "REPLAYED",
    "SETTINGS",
    "STRATEGIES",
    "Answering",
    "Request",
    "Strategy",
    "check_settings",
    "named",
    "pick",
]


def named(name: str) -> Strategy:
    """The strategy of that name, or an installed one, or `module:attribute`; raises `OptionError` where there is none."""
    found = registry.find("strategy", name, STRATEGIES)
    try:
        signature(found).bind("an engine", "a request")
    except (TypeError, ValueError):  # ValueError: some functions written in C have no signature
        raise OptionError(f"'{name}' is no strategy: it must be a function of an engine and a request.") from None
    return found


def check_settings(name: str, given: Mapping[str, Any]) -> None:
    """Raise `OptionError` for a setting that the strategy `name` does not have, or whose value is out of range."""
    if name in SETTINGS:
        SETTINGS[name].parse(dict(given), f"The settings of {name}")
