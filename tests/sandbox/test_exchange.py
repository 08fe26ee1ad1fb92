"""Values that pass between the answer and its tests."""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflectgen.sandbox.exchange import pack, unpack

ATOMS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.fractions()
HASHABLE = st.recursive(ATOMS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=6)
VALUES = st.recursive(
    HASHABLE | st.complex_numbers(allow_nan=False) | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HASHABLE, inner, max_size=3) | st.sets(HASHABLE, max_size=3),
    max_leaves=8,
)


def passed(value: Any) -> Any:
    kept: list[Any] = []

    def keep(value: Any) -> int:
        kept.append(value)
        return len(kept) - 1

    return unpack(json.loads(json.dumps(pack(value, keep))), kept.__getitem__)


def exact(value: Any) -> Any:
    """The value with the type of each part, since True == 1 == 1.0."""
    if isinstance(value, dict):
        return dict, [(exact(key), exact(part)) for key, part in value.items()]
    if isinstance(value, list):
        return list, [exact(part) for part in value]
    if isinstance(value, tuple | set | frozenset):
        return type(value), type(value)(exact(part) for part in value)
    return type(value), value


@settings(max_examples=40)
@given(VALUES)
def test_plain_values_pass_exactly(value: Any) -> None:
    assert exact(passed(value)) == exact(value)


def test_what_equality_does_not_show() -> None:
    assert math.isnan(passed(math.nan)) and passed(-math.inf) == -math.inf
    assert math.copysign(1, passed(-0.0)) == -1
    assert passed("\ud800") == "\ud800"
    assert passed(10**5000) == 10**5000
    assert passed(range(1, 9, 2)) == range(1, 9, 2) and passed(deque([1])) == deque([1])
    assert passed([int, ValueError]) == [int, ValueError]


class Colour(IntEnum):
    RED = 1


class Liar(str):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (Colour.RED, 1),
        (Liar("x"), "x"),
        (type("D", (Decimal,), {})("1.50"), Decimal("1.50")),
        (type("F", (Fraction,), {})(1, 3), Fraction(1, 3)),
    ],
)
def test_a_subclass_passes_as_its_plain_base(value: Any, plain: Any) -> None:
    assert type(passed(value)) is type(plain)
    assert passed(value) == plain


def test_what_is_not_plain_is_kept() -> None:
    value, kept = object(), []
    assert pack([1, value], lambda each: kept.append(each) or 7) == [1, {"kept": 7}]
    assert kept == [value]
    assert passed([value])[0] is value


@pytest.mark.parametrize("form", [{"os.system": "true"}, {"builtin": "eval"}, {"builtin": "__import__"}, {}, {"a": 1, "b": 2}])
def test_a_form_that_is_none_is_refused(form: Any) -> None:
    with pytest.raises((KeyError, ValueError)):
        unpack(form, lambda number: number)
