"""Search strategies, one a file, all of the signature `Strategy`, and the table of their names."""

from __future__ import annotations

from reflectgen import registry
from reflectgen.search.base import Answering, Request, Strategy
from reflectgen.search.best_of_n import best_of_n

STRATEGIES: dict[str, Strategy] = {"best_of_n": best_of_n}
"""Name -> strategy."""

__all__ = ["STRATEGIES", "Answering", "Request", "Strategy", "best_of_n", "named"]


def named(name: str) -> Strategy:
    """The strategy of that name, or an installed one, or `module:attribute`; raises `OptionError` where there is none."""
    return registry.find("strategy", name, STRATEGIES)
