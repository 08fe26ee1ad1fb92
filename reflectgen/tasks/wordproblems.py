r"""Word problems with misconceptions: the generator behind the bundled model, and an oracle that judges every step.

A problem is a week of events, or two weeks', that change one count. Each kind of event has a right reading and a common
wrong one:

    Tom has 12 shells. On Monday, the pile triples. On Tuesday, each of 3 friends brings 4. How many ...?

    On Monday, the pile triples: 12 * 3 = 36.               (wrong: 12 + 3 = 15)

    On Tuesday, each of 3 friends brings 4: 36 + 12 = 48.   (wrong: 36 + 4 = 40)

    </think>
    The answer is \boxed{48}.

A corpus is noisy: it holds the wrong reading with a probability per kind (`reflectgen.tasks.misconceptions`, or one
number for all traps), and then goes on consistently from the wrong value. A step repeats its event's words whatever the
reading, so the words never tell, and writes the operation, so that it can be judged by itself.

What is disjoint between the splits. Every problem has a template (the ordered kinds of its events, each with its
phrasing), numbers (the starting count and all quantities, in order) and a starting count. A fifth of all templates, a
fifth of all number sequences (both by hash) and every seventh starting count belong to "test", the others to "train". A
training problem is on the train side in all three, a test problem on the test side in all three. Names, items, opening
and closing sentences, the single phrasings and the single digits of starting counts are shared.

Problem `index` of a split is a pure function of (split, seed, index), so a data set of any size is map-style.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import count
from random import Random
from typing import Literal, cast

from reflectgen.errors import InputError
from reflectgen.tasks.misconceptions import APPLY, KINDS, PLAIN, TRAP_KINDS, Kind, Quantities, describe
from reflectgen.types import Problem

Split = Literal["train", "test"]

STEP_END = ".\n\n"
CLOSE = "</think>\n"
LOWEST, HIGHEST = 2, 99
"""Bounds of every count that any mixture of readings can reach, final counts included."""
STARTS = range(6, 41)
EVENTS = (4, 5, 6)
"""Numbers of events of a problem, drawn evenly."""
LONG_EVENTS = (8, 9, 10, 11, 12)
"""Those of a long problem, likewise."""
TRAPS = (1, 2, 2, 3, 3)
"""Numbers of traps of a problem, drawn evenly; the other events are plain."""
SIDES = 5
"""One in this many templates and number sequences belongs to the test split."""
TEST_STARTS = range(8, 41, 7)
"""Starting counts of the test split. Every digit that they end in also ends a starting count of the train split."""
NAMES = ("Tom", "Ana", "Mia", "Leo", "Sam", "Eva", "Ben", "Zoe")
ITEMS = ("apples", "shells", "coins", "cards", "books", "pens", "stamps", "beads")
WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DAYS = (*WEEK, *(f"the next {day}" for day in WEEK[:5]))
OPENINGS = ("{name} has {start} {items}.", "{name} starts the week with {start} {items}.")
QUESTIONS = ("How many {items} does {name} have now?", "How many {items} are there in the end?", "How many {items} is that?")
Template = tuple[tuple[str, int], ...]
"""(kind, index of its phrasing) of each event, in order."""


# -- problems ----------------------------------------------------------------------------------------------------


def side(what: Template | Quantities) -> Split:
    """The split that a template or a sequence of numbers belongs to, by a hash that is the same everywhere."""
    digest = blake2b(repr(what).encode(), digest_size=8).digest()
    return "test" if int.from_bytes(digest, "big") % SIDES == 0 else "train"


def starts(split: Split) -> tuple[int, ...]:
    """The starting counts of a split."""
    return tuple(start for start in STARTS if (start in TEST_STARTS) == (split == "test"))


def generate(split: Split, seed: int, index: int, events: Sequence[int] = EVENTS) -> Problem:
    """Problem `index` of `split`, with a number of events drawn from `events` (at most twelve).

    `meta` holds what `trace` and `judge` need: the starting count and each event's kind, quantities and words.
    """
    rng = Random(f"{split}/{seed}/{index}")
    length = rng.choice(events)
    while True:
        template = _template(rng, length)
        numbers = _numbers(rng, split, template) if side(template) == split else None
        if numbers:
            return _problem(rng, f"wordproblems/{split}/{seed}/{index}", template, *numbers)


def problems(split: Split, seed: int, events: Sequence[int] = EVENTS) -> Iterator[Problem]:
    """Problems 0, 1, 2, ... of `split`, without end."""
    return (generate(split, seed, index, events) for index in count())


def long_problems(split: Split, seed: int) -> Iterator[Problem]:
    """Problems 0, 1, 2, ... of `split` with eight to twelve events, without end; their ids say that they are long."""
    return (_named_long(problem) for problem in problems(split, seed, LONG_EVENTS))


def remake(name: str) -> Problem:
    """The problem whose id is `name`, as `problems` or `long_problems` made it; raises `InputError` where that is no id."""
    match = re.fullmatch(r"wordproblems/(long/)?(train|test)/(-?\d+)/(\d+)", name)
    if match is None:
        raise InputError(f"'{name}' names no problem of the task wordproblems.")
    split, seed, index = cast(Split, match[2]), int(match[3]), int(match[4])
    return _named_long(generate(split, seed, index, LONG_EVENTS)) if match[1] else generate(split, seed, index)


def _named_long(problem: Problem) -> Problem:
    return replace(problem, id=problem.id.replace("wordproblems/", "wordproblems/long/", 1))


def _template(rng: Random, length: int) -> Template:
    traps = min(length, rng.choice(TRAPS))
    kinds = rng.sample(TRAP_KINDS, traps) + rng.choices(PLAIN, k=length - traps)
    rng.shuffle(kinds)
    return tuple((kind, rng.randrange(len(KINDS[kind].events))) for kind in kinds)


def _numbers(rng: Random, split: Split, template: Template) -> tuple[int, list[Quantities]] | None:
    """A starting count and quantities that keep every mixture of readings in bounds; None where luck ran out."""
    for _ in range(20):
        start = rng.choice(starts(split))
        reachable, quantities = {start}, []
        for kind, _phrasing in template:
            drawn = _quantities(rng, KINDS[kind], reachable)
            if drawn is None:
                break
            quantities.append(drawn[0])
            reachable = drawn[1]
        else:
            if side((start, *(number for numbers in quantities for number in numbers))) == split:
                return start, quantities
    return None


def _quantities(rng: Random, kind: Kind, reachable: Iterable[int]) -> tuple[Quantities, set[int]] | None:
    """Quantities of one event and the counts that can follow it."""
    for _ in range(6):
        drawn = kind.draw(rng)
        operations = kind.right(*drawn), kind.wrong(*drawn)
        following = {APPLY[sign](value, amount) for value in reachable for sign, amount in operations}
        whole = all(value % amount == 0 for value in reachable for sign, amount in operations if sign == "/")
        if whole and min(following) >= LOWEST and max(following) <= HIGHEST:
            return drawn, following
    return None


def _problem(rng: Random, name: str, template: Template, start: int, quantities: list[Quantities]) -> Problem:
    person, other = rng.sample(NAMES, 2)
    words = {"name": person, "items": rng.choice(ITEMS)}
    sentences = [rng.choice(OPENINGS).format(start=start, **words)]
    events, value = [], start
    for day, (kind, phrasing), drawn in zip(DAYS, template, quantities, strict=False):
        told = f"On {day}, {describe(kind, phrasing, drawn, name=person, other=other)}"
        sentences.append(f"{told}.")
        events.append([kind, list(drawn), told])
        sign, amount = KINDS[kind].right(*drawn)
        value = APPLY[sign](value, amount)
    sentences.append(rng.choice(QUESTIONS).format(**words))
    return Problem(id=name, text=" ".join(sentences), answers=(str(value),), meta={"start": start, "events": events})


# -- traces ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One worked solution as the corpus has it."""

    completion: str
    """Thinking, closing tag and reply: what follows the opening tag."""
    readings: tuple[bool, ...]
    """Whether each step reads its event rightly."""
    correct: bool
    """Whether the final count is right, which it also is where two wrong readings cancel."""


def trace(problem: Problem, seed: int, misconceptions: float | None = None) -> Trace:
    """A solution of `problem`; each event is misread with its kind's probability.

    `misconceptions` replaces the probability of all traps; plain events are then misread at most as often as by default.
    """
    rng = Random(f"trace/{seed}/{problem.id}")
    value, steps, readings = problem.meta["start"], [], []
    for name, drawn, told in problem.meta["events"]:
        kind = KINDS[name]
        right = rng.random() >= _probability(name, misconceptions)
        sign, amount = (kind.right if right else kind.wrong)(*drawn)
        result = APPLY[sign](value, amount)
        steps.append(f"{told}: {value} {sign} {amount} = {result}{STEP_END}")
        readings.append(right)
        value = result
    completion = f"{''.join(steps)}{CLOSE}The answer is \\boxed{{{value}}}."
    return Trace(completion=completion, readings=tuple(readings), correct=str(value) in problem.answers)


def _probability(name: str, misconceptions: float | None) -> float:
    default = KINDS[name].misconception
    if misconceptions is None:
        return default
    return min(default, misconceptions) if name in PLAIN else misconceptions


# -- the oracle --------------------------------------------------------------------------------------------------

EQUATION = re.compile(r": (\d+) ([-+*/]) (\d+) = (\d+)$")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the oracle says of one step."""

    reading: bool
    """The operation is what the event does."""
    arithmetic: bool
    """It goes on from the count before it, and computes rightly."""

    @property
    def right(self) -> bool:
        """Both."""
        return self.reading and self.arithmetic


def judge(problem: Problem, thinking: str) -> list[Verdict]:
    """Judge each step of `thinking`, whose text may be anything; what cannot be read as a step is wrong in both."""
    value, events = problem.meta["start"], problem.meta["events"]
    verdicts = []
    for index, step in enumerate(thinking.split(STEP_END)[:-1]):
        match = EQUATION.search(step)
        if match is None or index >= len(events):
            verdicts.append(Verdict(False, False))
            continue
        left, sign, amount, result = int(match[1]), match[2], int(match[3]), int(match[4])
        name, drawn, _ = events[index]
        computed = None if sign == "/" and amount == 0 else APPLY[sign](left, amount)
        verdicts.append(Verdict((sign, amount) == KINDS[name].right(*drawn), left == value and result == computed))
        value = result
    return verdicts


def judge_steps(problem: Problem, steps: Sequence[str]) -> list[bool]:
    """Whether each step is right, reading and arithmetic; the steps may have been cut by any rule."""
    lines = [" ".join(step.split()).rstrip(".") for step in steps]
    return [verdict.right for verdict in judge(problem, "".join(line + STEP_END for line in lines))]
