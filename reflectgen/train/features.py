"""Step features: what a frozen backbone's states say of stored traces, as arrays that heads are trained on.

A backbone that is not trained gives every head the same states, so they are computed once (`reflectgen.train.harvest`)
and dozens of heads are trained on them in seconds each.

Shapes: P problems, B traces, S graded steps of all of them, D the backbone's width. Traces of one problem lie side by side,
and so do the steps of one trace, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from random import Random
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from reflectgen.config import HeadConfig, PromptConfig
from reflectgen.errors import InputError, OptionError
from reflectgen.metrics import Bools, Floats, Ints

Halves = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Reading:
    """Which states a head reads; the fields are `HeadConfig`'s of the same names."""

    layer: int = -2
    norm: bool = False
    offset: Literal[-1, 0] = -1
    pool: Literal["token", "step"] = "token"

    @classmethod
    def of(cls, head: HeadConfig) -> Self:
        """What a head of this configuration reads."""
        return cls(head.layer, head.norm, head.offset, head.pool)

    def __str__(self) -> str:
        parts = [f"layer{self.layer}", "normed" * self.norm, "at" * (self.offset == 0), "pooled" * (self.pool == "step")]
        return "-".join(part for part in parts if part)


class States(Mapping[Reading, Halves]):
    """States (S, D) by reading, fetched when they are asked for: those of all blocks need not fit the memory at once."""

    def __init__(self, readings: Sequence[Reading], fetch: Callable[[Reading], Halves]) -> None:
        self._readings, self._fetch = tuple(readings), fetch

    def __getitem__(self, reading: Reading) -> Halves:
        if reading not in self._readings:
            raise KeyError(reading)
        return self._fetch(reading)

    def __contains__(self, reading: object) -> bool:
        return reading in self._readings

    def __iter__(self) -> Iterator[Reading]:
        return iter(self._readings)

    def __len__(self) -> int:
        return len(self._readings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What the features were made with."""

    backbone: str
    """The backbone's fingerprint."""
    backbone_name: str
    """What people call it."""
    step_rule: str
    grade_end: bool
    prompt: PromptConfig


@dataclass(frozen=True, kw_only=True)
class StepFeatures:
    """The graded steps of stored traces. Traces that failed are not among them."""

    origin: Origin
    states: Mapping[Reading, Halves]
    """Reading -> states (S, D), float16."""
    trace: Ints
    """Trace of each step (S,), not decreasing."""
    start: Ints
    """Each step's first token, counted in the completion (S,)."""
    stop: Ints
    """One past each step's last token, counted in the completion (S,)."""
    step_logprob: Floats
    """Mean log-prob of each step's tokens (S,), in nats."""
    step_confidence: Floats
    """Mean DeepConf confidence of each step's tokens (S,), in nats; NaN where the store's steps are cut otherwise."""
    labels: Floats
    """Given label of each step (S,), in [0, 1]; NaN where none was given."""
    problem: Ints
    """Problem of each trace (B,), not decreasing."""
    sample: Ints
    """Number of each trace among its problem's (B,)."""
    correct: Bools
    """Whether each trace's answer is right (B,)."""
    ended: Bools
    """Whether each trace ended by itself (B,); False where it was cut off."""
    logprob: Floats
    """Mean log-prob of each thinking's tokens (B,), in nats."""
    confidence: Floats
    """Mean DeepConf confidence of each thinking's tokens (B,), in nats."""
    tokens: Ints
    """Length of each thinking (B,)."""
    answers: tuple[str | None, ...]
    """Each trace's answer (B,)."""
    problems: tuple[str, ...]
    """Names of the problems (P,): task and id."""

    @cached_property
    def rows(self) -> list[Ints]:
        """The traces of each problem (P)."""
        edges = np.searchsorted(self.problem, np.arange(len(self.problems) + 1))
        return [np.arange(low, high) for low, high in pairwise(edges)]

    @cached_property
    def steps(self) -> list[Ints]:
        """The steps of each trace (B)."""
        edges = np.searchsorted(self.trace, np.arange(len(self.problem) + 1))
        return [np.arange(low, high) for low, high in pairwise(edges)]

    @cached_property
    def labelled(self) -> bool:
        """Whether any step was given a label."""
        return bool((~np.isnan(self.labels)).any())

    @cached_property
    def mixed(self) -> list[Ints]:
        """The traces of each problem that has right and wrong ones."""
        return [rows for rows in self.rows if 0 < self.correct[rows].sum() < len(rows)]

    def of_problems(self, wanted: Sequence[int]) -> StepFeatures:
        """The traces of some problems (by index), in the order that they have here."""
        chosen = np.unique(np.asarray(wanted, dtype=np.int64))
        return self.of_traces(np.isin(self.problem, chosen))

    def of_traces(self, wanted: Bools) -> StepFeatures:
        """The traces where `wanted` (B,) is True; problems without any fall out."""
        inside = wanted[self.trace]
        traces, steps = np.flatnonzero(wanted), np.flatnonzero(inside)
        kept, problem = np.unique(self.problem[traces], return_inverse=True)
        return replace(
            self,
            states=States(tuple(self.states), lambda reading: self.states[reading][steps]),
            **{name: getattr(self, name)[steps] for name in _OF_STEPS},
            **{name: getattr(self, name)[traces] for name in _OF_TRACES},
            trace=np.cumsum(wanted)[self.trace[steps]] - 1,
            problem=problem.astype(np.int64),
            answers=tuple(self.answers[index] for index in traces),
            problems=tuple(self.problems[index] for index in kept),
        )

    def split(self, share: float, seed: int) -> tuple[StepFeatures, StepFeatures]:
        """A training part, and a validation part that holds `share` of the problems, drawn with `seed`.

        Raises `OptionError` where that leaves one of them empty.
        """
        count = round(share * len(self.problems))
        if not 0 < count < len(self.problems):
            raise OptionError(
                f"validation: {share} of {len(self.problems)} problems leaves nothing to train or to validate on: "
                "sample more problems, or choose another share."
            )
        order = sorted(range(len(self.problems)), key=lambda index: self.problems[index])
        drawn = set(Random(seed).sample(order, count))
        return self.of_problems([index for index in order if index not in drawn]), self.of_problems(sorted(drawn))


_OF_STEPS = ("start", "stop", "step_logprob", "step_confidence", "labels")
_OF_TRACES = ("sample", "correct", "ended", "logprob", "confidence", "tokens")


def join(parts: Sequence[StepFeatures]) -> StepFeatures:
    """The traces of all parts, put in order: by problem as they first appear, then by sample as they come.

    A problem of one name in several parts is one problem. Raises `InputError` where parts were read off different backbones
    or cut by different rules.
    """
    first = parts[0].origin
    for part in parts[1:]:
        for name in ("backbone", "step_rule", "grade_end"):
            if getattr(part.origin, name) != getattr(first, name):
                raise InputError(f"Features that differ in {name} do not belong together: make them with one model and rule.")
    problems = tuple(dict.fromkeys(name for part in parts for name in part.problems))
    place = {name: index for index, name in enumerate(problems)}
    problem = np.concatenate([np.array([place[name] for name in part.problems])[part.problem] for part in parts])
    firsts = np.cumsum([0, *(len(part.problem) for part in parts)])
    trace = np.concatenate([part.trace + start for part, start in zip(parts, firsts, strict=False)])
    order = np.argsort(problem, kind="stable")  # (B,)
    place_of = np.argsort(order)  # (B,): where each trace goes
    steps = np.argsort(place_of[trace], kind="stable")  # (S,)
    answers = [answer for part in parts for answer in part.answers]
    return StepFeatures(
        origin=first,
        states=States(tuple(parts[0].states), lambda reading: np.concatenate([part.states[reading] for part in parts])[steps]),
        **{name: np.concatenate([getattr(part, name) for part in parts])[steps] for name in _OF_STEPS},
        **{name: np.concatenate([getattr(part, name) for part in parts])[order] for name in _OF_TRACES},
        trace=place_of[trace][steps],
        problem=problem[order],
        answers=tuple(answers[index] for index in order),
        problems=problems,
    )
