"""The exception tree and the sentence for a name that is in no table."""

from __future__ import annotations

import inspect
import re

import pytest

from reflectgen import errors
from reflectgen.errors import OptionError, unknown


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    classes = {name: cls for name, cls in inspect.getmembers(errors, inspect.isclass) if cls.__module__ == errors.__name__}
    assert _drawn() == {name: cls.__bases__[0].__name__ for name, cls in classes.items()}


def _drawn() -> dict[str, str]:
    """Name -> parent, as drawn: the parent is the last name above that stands further left."""
    tree, above = {}, {-1: "Exception"}
    for branch, name in re.findall(r"^([\s│├└─]*)([A-Z]\w+)  ", errors.__doc__ or "", re.MULTILINE):
        column = len(branch.lstrip("\n"))
        tree[name] = above[max(left for left in above if left < column)]
        above = {left: parent for left, parent in above.items() if left < column} | {column: name}
    return tree


def test_mistakes_in_values_are_value_errors_too() -> None:
    assert issubclass(errors.InputError, ValueError) and issubclass(OptionError, ValueError)


def test_an_unknown_name_lists_the_table_and_guesses() -> None:
    error = unknown("selector", "majorty", {"sprm": 1, "majority": 2})
    assert isinstance(error, OptionError)
    assert str(error) == "Unknown selector 'majorty': choose one of majority, sprm. Did you mean 'majority'?"


@pytest.mark.parametrize("name", ["xyz", ""])
def test_without_a_likeness_there_is_no_guess(name: str) -> None:
    assert str(unknown("selector", name, ["sprm"])) == f"Unknown selector '{name}': choose one of sprm."
