"""Names a user may give, and how they grow without a fork.

A name is looked up in the package's own table, then among installed entry points of the group `reflectgen.<kind>`, then
as `module:attribute`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar

from reflectgen.errors import OptionError, unknown

Named = TypeVar("Named")


def find(kind: str, name: str, table: Mapping[str, Named]) -> Named:
    """What `name` stands for; `kind` is a singular noun. Raises `OptionError` where it stands for nothing."""
    if name in table:
        return table[name]
    for entry in entry_points(group=f"reflectgen.{kind}", name=name):
        return entry.load()  # type: ignore[no-any-return]
    if ":" in name:
        return _imported(kind, name)  # type: ignore[no-any-return]
    raise unknown(kind, name, table)


def _imported(kind: str, name: str):  # type: ignore[no-untyped-def]
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:  # TypeError: a relative name
        raise OptionError(f"The {kind} '{name}' cannot be imported: {error}.") from None
