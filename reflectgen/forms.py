r"""What one side may say and the other leave out, or say in another form: names of values, units of formulas, inequalities.

- `x=5`, `AB=5`, `f(2)=5`, `m+n=5`, `(a,b)=(1,2)`, `x\approx 5` and `x\in[0,1]` are their values where the other side has no
  sign of that kind; so is what follows words with `is`, `are` or a colon (`There are 5 of them`).
- `4\pi cm^2` is `4\pi` where the other side names no other unit; numbers have theirs in `reflectgen.quantity`.
- `5 (mod 7)` is `5` where the other side names no modulus.
- `-5\le x<1` is `[-5,1)`, `x>3` and `\{x:x>3\}` are `(3,\infty)`, `x<2 or x>3` is `(-\infty,2)\cup(3,\infty)` where the other
  side is an interval.

Texts come normalised (`reflectgen.answers.normalise`).
"""

from __future__ import annotations

import re

from reflectgen.quantity import quantity, symbol

WORDS = re.compile(r"[^\W\d_]+(?:[ '-][^\W\d_]+)*")
"""Words alone."""
_NAME = (
    r"(?:\\?[A-Za-z][A-Za-z\\ ]*(?:_(?:\w|\{[^{}]*\}))?(?:\([^()=]*\))?|[A-Za-z](?:[+-][A-Za-z])+|\([A-Za-z](?:,[A-Za-z])*\))"
)
_CLAUSE = r"[A-Za-z]{2,}(?: [A-Za-z]+){0,9}?(?: is | are |(?<=[A-Za-z]{3}):)"
_NAMED = re.compile(rf"^(?:{_NAME}(?:=|\\(?:in|approx)(?![A-Za-z]) ?)|{_CLAUSE})(?=[^=]+$)")
_NAMING = re.compile(r"=|\\(?:in|approx)(?![A-Za-z])")
_MODULUS = re.compile(r" ?(?:\\[pb]mod(?![A-Za-z]).*|\(mod [^()]*\))$")
_UNIT = re.compile(
    r"(?:(?<=[\w)}]) (?:(?:square|cubic|sq) )?(?P<unit>[A-Za-z]+)|(?<=[)}])(?P<joined>[A-Za-z]{2,}))(?:\^\{?[23]\}?)?$",
    re.ASCII,
)
_RELATION = re.compile(r"(<|>|\\[lg]e(?![A-Za-z]))")
_VARIABLE = re.compile(r"[A-Za-z]|\\[a-z]+")
_INTERVAL = re.compile(r"[\[(][^<>]*,[^<>]*[\])]")
_BUILDER = re.compile(r"\\\{[A-Za-z](?:\\in ?(?:\\mathbb\{R\}|R))?(?:\\mid ?|[:|])(.+)\\\}")
_OR = re.compile(r" or |\\(?:lor|vee|cup) ?")
_MIRRORED = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}
_OPENING = {">": "(", r"\ge": "["}
_CLOSING = {"<": ")", r"\le": "]"}


def alike(one: str, other: str) -> tuple[str, str]:
    """Both texts, each without what the other leaves out, and in the other's form."""
    if not _NAMING.search(one) or not _NAMING.search(other):
        one, other = value(one), value(other)
    if not unit_of(one) or unit_of(other) in ("", unit_of(one)):
        one, other = _without_unit(one), _without_unit(other)
    if not _MODULUS.search(one) or not _MODULUS.search(other):
        one, other = _MODULUS.sub("", one), _MODULUS.sub("", other)
    if _INTERVAL.fullmatch(other):
        one = interval(one) or one
    elif _INTERVAL.fullmatch(one):
        other = interval(other) or other
    return one, other


def value(text: str) -> str:
    """The value of a text that names it, else the text."""
    while (shorter := _NAMED.sub("", text)) != text:
        text = cased(shorter)
    return text


def cased(text: str) -> str:
    """Words without case; letters and formulas with theirs."""
    return text.casefold() if len(text) > 1 and WORDS.fullmatch(text) else text


def unit_of(text: str) -> str:
    """Symbol of the length, time or mass that a number has or a formula ends with; empty where none is known."""
    if (number := quantity(text)) and number.unit[:1].isalpha():
        return number.unit
    found = _UNIT.search(text)
    return symbol(found["unit"] or found["joined"]) if found else ""


def _without_unit(text: str) -> str:
    return _UNIT.sub("", text) if unit_of(text) else text


def interval(text: str) -> str | None:
    """The interval, or the union of intervals, that an inequality in one variable describes; None where it is no such."""
    parts = [_one(part) for part in _OR.split(_BUILDER.sub(r"\1", text))]
    return None if None in parts else r"\cup".join(part for part in parts if part is not None)


def _one(text: str) -> str | None:
    match [piece.strip() for piece in _RELATION.split(text)]:
        case [name, relation, bound] if _VARIABLE.fullmatch(name) and bound:
            return _bounded(relation, bound)
        case [bound, relation, name] if _VARIABLE.fullmatch(name) and bound:
            return _bounded(_MIRRORED[relation], bound)
        case [low, first, name, second, high] if _VARIABLE.fullmatch(name) and low and high:
            if first in _OPENING:
                low, first, second, high = high, _MIRRORED[second], _MIRRORED[first], low
            if first in _CLOSING and second in _CLOSING:
                return f"{_OPENING[_MIRRORED[first]]}{low},{high}{_CLOSING[second]}"
    return None


def _bounded(relation: str, bound: str) -> str:
    """What a variable may be that stands in `relation` to `bound`."""
    return rf"{_OPENING[relation]}{bound},\infty)" if relation in _OPENING else rf"(-\infty,{bound}{_CLOSING[relation]}"
