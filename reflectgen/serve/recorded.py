"""A finished search as the events that its stream would have had, for traces that are looked at later.

A result's trace says how many tokens the whole search had drawn when something happened, and not when that was. So times are
that share of the search's seconds; when a step ended is interpolated by tokens between what the trace says of its branch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from reflectgen.errors import InputError
from reflectgen.serve.events import Event, Shapes
from reflectgen.types import Event as Happened
from reflectgen.types import Result, Trajectory

NOTE = "The times are estimated from the numbers of tokens."


def stored(values: Mapping[str, Any]) -> Result:
    """The result that `reflectgen solve --json` printed; raises `InputError` where it is none."""
    try:
        return TypeAdapter(Result).validate_python(dict(values))
    except ValidationError as error:
        fault = error.errors()[0]
        raise InputError(f"This is no result of a search: {'.'.join(map(str, fault['loc']))}: {fault['msg']}.") from None


def recorded(
    result: Result, id: str, *, model: str = "", effort: str = "", prompt_tokens: int = 0, rule: str = "geometric"
) -> list[Event]:
    """The events of `result`; `rule` makes the running scores (`reflectgen.scoring.AGGREGATES`)."""
    shapes = Shapes(id)
    timed = sorted(
        chain.from_iterable(_life(shapes, result, one, rule) for one in result.trajectories), key=lambda pair: pair[0]
    )
    start = shapes.start(
        model=model,
        strategy=result.strategy,
        select=result.select,
        k=sum(one.parent is None for one in result.trajectories),
        seed=result.seed,
        effort=effort,
        problem=result.problem.text,
        prompt_tokens=prompt_tokens,
    )
    done = shapes.done(result, round(result.cost.seconds, 6))
    done["notes"].append(NOTE)
    return [start, *(event for _, event in timed), shapes.chosen(result, result.chosen), done]


def _life(shapes: Shapes, result: Result, one: Trajectory, rule: str) -> Iterator[tuple[float, Event]]:
    """The events of one branch, with their times."""
    mine = [event for event in result.trace if event.branch == one.id]
    begun = mine[0].tokens if mine else 0
    inherited = mine[0].step if mine and mine[0].what == "forked" else 0
    over = [event for event in mine if event.what in ("answered", "cancelled", "failed")]
    ended = over[-1].tokens if over else result.cost.tokens_generated
    lengths, totals = zip(*_anchors(result, one, mine, inherited), strict=True)

    def at(total: float) -> float:
        return round(result.cost.seconds * total / max(1, result.cost.tokens_generated), 6)

    yield at(begun), shapes.branch(one.id, one.parent, inherited, at(begun))
    for index in range(inherited, len(one.steps)):
        time = at(float(np.interp(one.steps[index].token_span[1], lengths, totals)))
        yield time, shapes.step(one.id, one.steps, index, rule, time)
    why = one.error or (over[-1].why if over else "")
    yield at(ended), shapes.end(one, why, at(ended))


def _anchors(result: Result, one: Trajectory, mine: list[Happened], inherited: int) -> list[tuple[int, int]]:
    """What is known of a branch's growth: (its length, tokens of the whole search), both in order."""

    def length(steps: int) -> int:
        return one.steps[steps - 1].token_span[1] if steps else 0

    found = {(length(inherited), mine[0].tokens if mine else 0)}
    children = {child.id for child in result.trajectories if child.parent == one.id}
    found |= {
        (length(event.step), event.tokens) for event in result.trace if event.what == "forked" and event.branch in children
    }
    closed = [event.tokens for event in mine if event.what == "closed"]
    stops = closed or [event.tokens for event in mine if event.what in ("answered", "cancelled", "failed")]
    found.add((one.tokens, stops[-1] if stops else result.cost.tokens_generated))
    return sorted(dict(sorted(found, reverse=True)).items())  # of two moments at one length the first
