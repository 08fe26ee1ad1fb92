"""What every strategy is given and gives back: a Request in, a Result out, and an engine between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from reflectgen import answers, select
from reflectgen.config import Blend, Config, Sampling
from reflectgen.engine.base import Engine
from reflectgen.engine.branch import Branch
from reflectgen.errors import OptionError
from reflectgen.types import Choice, Cost, Event, Problem, Result, Trajectory

Answering = Literal["all", "chosen"]
"""Which thinkings get an answer: all of them, or only the chosen one (the paper's way, and the cheaper one)."""

Settings = TypeVar("Settings", bound=Config)


def ignore(branch: Branch) -> None:
    """The observer that does nothing."""


def check_together(*, k: int, budget: int | None, selector: str, answer: str, abstain_below: float) -> None:
    """Raise `OptionError` for options of a request that do not go together."""
    if answer == "chosen" and select.needs_answers(selector, abstain_below):
        raise OptionError(
            "Votes and abstention compare answers, so every thinking must have one: let all answer, not the chosen one."
        )
    if budget is not None and budget < k:
        raise OptionError(f"A budget of {budget} tokens is not one for each of {k} thinkings: give more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One problem to be solved, and how."""

    problem: Problem
    prompt: tuple[int, ...]
    """Token ids of the problem's prompt."""
    k: int
    """Thinkings to sample."""
    sampling: Sampling
    select: str
    """Name of the selector (`reflectgen.select`)."""
    seed: int = 0
    answer: Answering = "all"
    budget: int | None = None
    """Most tokens that may be generated, thinkings and answers together; None for no limit but k and the sampling's."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The strategy's own settings (`reflectgen.config.search`), as they were given."""
    abstain_below: float = 0.0
    """Least share of the votes that an answer needs, in [0, 1]; below it the result is an abstention."""
    blend: Blend | None = None
    """Scales of the selector `blend`."""
    extract: Callable[[str], str | None] = answers.extract
    """Reads the answer from a reply."""
    observe: Callable[[Branch], None] = ignore
    """Called with a branch when it begins and whenever a step of it was graded or its state has changed."""

    def __post_init__(self) -> None:
        check_together(k=self.k, budget=self.budget, selector=self.select, answer=self.answer, abstain_below=self.abstain_below)

    def settings_of(self, kind: type[Settings]) -> Settings:
        """The strategy's settings, checked."""
        return kind.parse(dict(self.settings), "The strategy's settings")

    def freeze(self, branches: Sequence[Branch]) -> tuple[Trajectory, ...]:
        """The branches as they are now."""
        return tuple(branch.trajectory(self.extract) for branch in branches)

    def choose(self, trajectories: Sequence[Trajectory], among: Sequence[int] | None = None) -> Choice:
        """What the selector decides over them, or over those of the indices `among`."""
        return select.select(self.select, trajectories, blend=self.blend, abstain_below=self.abstain_below, among=among)

    def result(
        self, strategy: str, choice: Choice, trajectories: Sequence[Trajectory], cost: Cost, trace: Sequence[Event] = ()
    ) -> Result:
        """The result of this request."""
        return Result(
            problem=self.problem,
            answer=choice.answer,
            choice=choice,
            trajectories=tuple(trajectories),
            cost=cost,
            strategy=strategy,
            select=self.select,
            seed=self.seed,
            trace=tuple(trace),
        )


Strategy = Callable[[Engine, Request], Awaitable[Result]]
"""A strategy sees only the engine's branches; it imports no torch and no other strategy."""
