"""An answer and its tests, each in a process of its own: the tests call the answer, and only plain values come back.

A script without the package around it: `verdict` sends its source to both processes, with a last line that calls `serve` or
`judge`. The process of the answer never holds a test, an expected value or anything that could tell a verdict; the process
of the tests never runs a line of the answer. What the answer gives is rebuilt there from JSON as exact built-in values, so
that no `__eq__` of its own, no patched builtin and no early exit can make an assert hold. Whatever is not a plain value (an
instance of a class, a generator) stays where it is and is passed as a reference, equal to nothing but itself.

A message is a line of JSON. The tests ask `[function, arguments, keywords]`, the function being a reference or the name of a
builtin; the answer replies `["value", value]` or `["error", name, message]`.
"""

from __future__ import annotations

import builtins
import json
import os
import sys
from collections import deque
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any

    Keep = Callable[[Any], int]
    Find = Callable[[int], Any]

SCALARS = (bool, float, str, type(None))
SEQUENCES: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": lambda parts: {*frozenset(parts)},  # a literal is built in this way, and so iterates in this order
    "frozenset": frozenset,
    "deque": deque,
}
WRITTEN = {"builtins.complex", "decimal.Decimal", "fractions.Fraction"}
"""Types that are passed as their text."""
BUILTINS = {name: kind for name, kind in vars(builtins).items() if isinstance(kind, type)}
"""Types that are passed by name."""


class Remote:
    """A stand-in, among the tests, for what stays with the answer."""

    __slots__ = ("_ask", "_number")

    def __init__(self, ask: Callable[..., Any], number: int) -> None:
        object.__setattr__(self, "_ask", ask)
        object.__setattr__(self, "_number", number)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._ask(self, *arguments, **keywords)

    def __getattr__(self, name: str) -> Any:
        return self._ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._ask("setattr", self, name, value)

    def __iter__(self) -> Any:
        return self._ask("iter", self)

    def __next__(self) -> Any:
        return self._ask("next", self)

    def __len__(self) -> Any:
        return self._ask("len", self)

    def __bool__(self) -> Any:
        return self._ask("bool", self)

    def __getitem__(self, key: Any) -> Any:
        return self.__getattr__("__getitem__")(key)


# -- values ------------------------------------------------------------------------------------------------------------


def pack(value: Any, keep: Keep) -> Any:
    """What JSON can hold of `value`; an instance of a subclass goes as its plain base, the rest as `keep` numbers it."""
    if isinstance(value, type) and BUILTINS.get(value.__name__) is value:
        return {"builtin": value.__name__}
    for kind in type(value).__mro__:
        if kind in SCALARS:
            return value
        if kind in _PACKERS:
            return _PACKERS[kind](value, lambda part: pack(part, keep))
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name in WRITTEN:
            return {name: str(value)}
    return {"kept": keep(value)}


_PACKERS: dict[type, Callable[[Any, Callable[[Any], Any]], Any]] = {
    int: lambda value, _: {"int": hex(value)} if abs(value) >> 63 else int(value),
    bytes: lambda value, _: {"bytes": value.hex()},
    range: lambda value, _: {"range": [value.start, value.stop, value.step]},
    list: lambda value, of: [of(part) for part in value],
    dict: lambda value, of: {"dict": [[of(key), of(part)] for key, part in value.items()]},
    tuple: lambda value, of: {"tuple": [of(part) for part in value]},
    set: lambda value, of: {"set": [of(part) for part in value]},
    frozenset: lambda value, of: {"frozenset": [of(part) for part in value]},
    deque: lambda value, of: {"deque": [of(part) for part in value]},
}


def unpack(form: Any, find: Find) -> Any:
    """The value that `pack` made `form` of; `find` gives what a number stands for. Raises on a form that is none."""
    if isinstance(form, list):
        return [unpack(part, find) for part in form]
    if not isinstance(form, dict):
        return form
    ((name, inner),) = form.items()
    if name == "kept":
        return find(inner)
    if name in WRITTEN:
        module, _, kind = name.rpartition(".")
        return getattr(import_module(module), kind)(inner)
    if name in SEQUENCES:
        return SEQUENCES[name](unpack(part, find) for part in inner)
    return _UNPACKERS[name](inner, find)


_UNPACKERS: dict[str, Callable[[Any, Find], Any]] = {
    "builtin": lambda inner, _: BUILTINS[inner],
    "int": lambda inner, _: int(inner, 16),
    "bytes": lambda inner, _: bytes.fromhex(inner),
    "range": lambda inner, _: range(*inner),
    "dict": lambda inner, find: {unpack(key, find): unpack(part, find) for key, part in inner},
}


class Channel:
    """Messages in both directions over one connected socket."""

    def __init__(self, descriptor: int) -> None:
        self._inward = os.fdopen(descriptor, "r", encoding="ascii")
        self._outward = os.fdopen(os.dup(descriptor), "w", encoding="ascii")

    def send(self, message: Any) -> None:
        """Raises `TypeError` where the message is no JSON."""
        self._outward.write(json.dumps(message) + "\n")
        self._outward.flush()

    def receive(self) -> Any:
        """The next message; raises `EOFError` where the other side has ended."""
        line = self._inward.readline()
        if not line.endswith("\n"):
            raise EOFError("the answer's process ended")
        return json.loads(line)


def _execute(source: str, name: str, space: dict[str, Any]) -> None:
    exec(compile(source, name, "exec", dont_inherit=True), space)  # without the __future__ of this file


# -- the process of the answer -----------------------------------------------------------------------------------------


def serve(descriptor: int, answer: str) -> None:
    """Run `answer` as a module, give a reference to it, and do what is asked until the tests have ended."""
    channel = Channel(descriptor)
    kept: list[Any] = []

    def keep(value: Any) -> int:
        kept.append(value)
        return len(kept) - 1

    def attempt(called: Callable[..., Any], *arguments: Any, **keywords: Any) -> list[Any]:
        try:
            return ["value", pack(called(*arguments, **keywords), keep)]
        except BaseException as error:  # SystemExit too: an answer that ends the program has failed the test
            return ["error", _builtin_name(error), str(error)]

    channel.send(attempt(load, answer))
    while True:
        function, arguments, keywords = unpack(channel.receive(), kept.__getitem__)
        called = getattr(builtins, function) if isinstance(function, str) else function
        channel.send(attempt(called, *arguments, **keywords))


def load(answer: str) -> ModuleType:
    """The module that the source `answer` makes; its name is not `__main__`."""
    module = type(sys)("answer")
    sys.modules["answer"] = module
    _execute(answer, "<answer>", module.__dict__)
    return module


def _builtin_name(error: BaseException) -> str:
    return next(kind.__name__ for kind in type(error).__mro__ if BUILTINS.get(kind.__name__) is kind)


# -- the process of the tests ------------------------------------------------------------------------------------------


def judge(descriptor: int, setup: str, tests: str, names: Sequence[str]) -> None:
    """Run `setup`, take `names` from the answer where it has them, and run `tests`. Raises where one does not hold."""
    channel = Channel(descriptor)

    def find(number: int) -> Remote:
        return Remote(ask, number)

    def ask(function: Any, *arguments: Any, **keywords: Any) -> Any:
        channel.send(pack([function, list(arguments), keywords], _number))
        return _value(channel.receive(), find)

    space: dict[str, Any] = {"__name__": "tests"}
    _execute(setup, "<setup>", space)
    module = _value(channel.receive(), find)
    for name in names:
        if ask("hasattr", module, name):
            space[name] = ask("getattr", module, name)
    _execute(tests, "<tests>", space)


def _number(value: Any) -> int:
    if type(value) is not Remote:
        raise TypeError(f"A test cannot pass a {type(value).__name__} to the answer.")
    return int(value._number)


def _value(reply: list[Any], find: Find) -> Any:
    """What was replied; raises the builtin exception that is told, or `RuntimeError` where it is none."""
    if reply[0] == "value":
        return unpack(reply[1], find)
    kind = BUILTINS.get(reply[1], object)
    if issubclass(kind, Exception):
        raise kind(reply[2])
    raise RuntimeError(f"{reply[1]}: {reply[2]}")
