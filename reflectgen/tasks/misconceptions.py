"""The kinds of events of a word problem: what each does to the count, how it is misread, and how it is worded.

Each kind has several phrasings in the problem and, apart from them, several in the step that works it out. The step's
words are the same for both readings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

Quantities = tuple[int, ...]
"""The numbers of one event, in the order in which the kind draws them."""
Operation = tuple[str, int]
"""A sign of `APPLY`, and what stands to its right."""

APPLY: Mapping[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left // right,
}
GROWS = {2: "doubles", 3: "triples"}
PARTS = {2: "half", 3: "third"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of event: its quantities, its two readings, and how problems and steps speak of it."""

    draw: Callable[[Random], Quantities]
    right: Callable[..., Operation]
    """Quantities -> what the event does to the count."""
    wrong: Callable[..., Operation]
    """Quantities -> what it is often taken to do."""
    events: tuple[str, ...]
    """Phrasings in the problem; `{a}` and `{b}` are its first and last quantity."""
    misconception: float
    """How often a corpus holds the wrong reading, unless it is told otherwise."""


def _one(low: int, high: int) -> Callable[[Random], Quantities]:
    return lambda rng: (rng.randint(low, high),)


def _people(rng: Random) -> Quantities:
    return rng.randint(2, 4), rng.randint(2, 4)


def _order(rng: Random) -> Quantities:
    ordered = rng.randint(4, 9)
    return ordered, rng.randint(1, ordered - 2)


KINDS: Mapping[str, Kind] = {
    "grow": Kind(
        draw=_one(2, 3),
        right=lambda a: ("*", a),
        wrong=lambda a: ("+", a),
        events=("the pile {grows}", "the pile becomes {a} times as big", "{name} ends up with {a} times as many"),
        misconception=0.40,
    ),
    "shrink": Kind(
        draw=_one(2, 3),
        right=lambda a: ("/", a),
        wrong=lambda a: ("-", a),
        events=("only a {part} of the pile remains", "the pile shrinks to a {part}", "{name} keeps just a {part} of them"),
        misconception=0.45,
    ),
    "gather": Kind(
        draw=_people,
        right=lambda a, b: ("+", a * b),
        wrong=lambda a, b: ("+", b),
        events=("each of {a} friends brings {b}", "{a} friends come with {b} each", "{name} gets {b} from each of {a} people"),
        misconception=0.50,
    ),
    "share": Kind(
        draw=_people,
        right=lambda a, b: ("-", a * b),
        wrong=lambda a, b: ("-", b),
        events=("{name} gives {b} to each of {a} children", "{a} children take {b} each", "each of {a} children gets {b}"),
        misconception=0.45,
    ),
    "pairs in": Kind(
        draw=_one(2, 6),
        right=lambda a: ("+", 2 * a),
        wrong=lambda a: ("+", a),
        events=("{name} buys {a} pairs", "{a} pairs are added", "{name} wins {a} pairs"),
        misconception=0.50,
    ),
    "pairs out": Kind(
        draw=_one(2, 6),
        right=lambda a: ("-", 2 * a),
        wrong=lambda a: ("-", a),
        events=("{name} sells {a} pairs", "{a} pairs are lost", "{name} drops {a} pairs"),
        misconception=0.50,
    ),
    "bystander": Kind(
        draw=_one(2, 9),
        right=lambda a: ("+", 0),
        wrong=lambda a: ("+", a),
        events=("{other} finds {a} and keeps them", "a sister of {name} collects {a} for herself", "{other} buys {a} as well"),
        misconception=0.40,
    ),
    "order": Kind(
        draw=_order,
        right=lambda a, b: ("+", a - b),
        wrong=lambda a, b: ("+", a),
        events=(
            "{name} orders {a} but {b} go back",
            "of {a} new ones {b} are returned",
            "{a} arrive and {b} of these are refused",
        ),
        misconception=0.50,
    ),
    "gain": Kind(
        draw=_one(1, 9),
        right=lambda a: ("+", a),
        wrong=lambda a: ("-", a),
        events=("{name} buys {a}", "{name} finds {a}", "{a} are added"),
        misconception=0.02,
    ),
    "loss": Kind(
        draw=_one(1, 9),
        right=lambda a: ("-", a),
        wrong=lambda a: ("+", a),
        events=("{name} sells {a}", "{name} loses {a}", "{a} are gone"),
        misconception=0.02,
    ),
}
PLAIN = ("gain", "loss")
"""Kinds that are hardly ever misread; all others are traps, and no trap occurs twice in a problem."""
TRAP_KINDS = tuple(kind for kind in KINDS if kind not in PLAIN)


def describe(kind: str, phrasing: int, quantities: Quantities, **names: str) -> str:
    """How a problem tells of an event, in phrasing number `phrasing`; `names` fill `{name}` and `{other}`."""
    first, last = quantities[0], quantities[-1]
    return KINDS[kind].events[phrasing].format(a=first, b=last, grows=GROWS.get(first), part=PARTS.get(first), **names)
