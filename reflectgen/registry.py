"""Names a user may give, and how they grow without a fork.

A name is looked up in the package's own table, then among installed entry points of the group `reflectgen.<kind>`, then
as `module:attribute`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from types import FunctionType
from typing import Any, TypeVar

from reflectgen.errors import OptionError, unknown

Named = TypeVar("Named")


def find(kind: str, name: str, table: Mapping[str, Named]) -> Named:
    """What `name` stands for; `kind` is a singular noun.

    Raises `OptionError` where it stands for nothing, or for a thing that is not of the sort that the table holds.
    """
    if name in table:
        return table[name]
    for entry in entry_points(group=f"reflectgen.{kind}", name=name):
        return _checked(kind, name, entry.load(), table)
    if ":" in name:
        return _checked(kind, name, _imported(kind, name), table)
    raise unknown(kind, name, table)


def _checked(kind: str, name: str, found: Any, table: Mapping[str, Named]) -> Named:
    """`found`, if the table could hold it: a function among functions, else an instance of the same class."""
    like = type(next(iter(table.values())))
    if not (callable(found) if like is FunctionType else isinstance(found, like)):
        wanted = "a function" if like is FunctionType else f"a {like.__module__}.{like.__qualname__}"
        raise OptionError(f"'{name}' is no {kind}: it must be {wanted}, and it is a {type(found).__name__}.")
    return found  # type: ignore[no-any-return]


def _imported(kind: str, name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:  # TypeError: a relative name
        raise OptionError(f"The {kind} '{name}' cannot be imported: {error}.") from None
