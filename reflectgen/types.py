"""The nouns that everything shares: a problem, a graded step, a trajectory, what it cost, and the result.

All are frozen; a later stage that knows more makes a new object. This module imports nothing of the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Finish = Literal["stop", "length", "cancelled", "failed"]
"""How a trajectory ended: by itself, at its token limit, by `cancel()`, or by an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One question, with its gold answers where they are known."""

    text: str
    """The question as a person would read it."""
    id: str = ""
    """A name that is unique within its data set; rows are resumed by it."""
    answers: tuple[str, ...] = ()
    """Gold answers, any of which is right; empty where none is known."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Whatever the task's grader needs beside the answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a thinking, graded."""

    text: str
    token_span: tuple[int, int]
    """Half-open range in the completion's token ids; the last token is the one that ended the step."""
    score: float | None
    """Sigmoid of `logit`, in (0, 1); None where the model has no head."""
    logit: float | None
    """The head's output for this step; None where the model has no head."""
    logprob: float
    """Mean log-probability at temperature 1 of the step's generated tokens, in nats; 0 where none was generated."""
    confidence: float
    """Mean DeepConf token confidence of the step's generated tokens, in nats; 0 where none was generated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What something cost, counted by the engine as it happened. Costs add up."""

    tokens_generated: int = 0
    """Tokens drawn from the model and kept."""
    tokens_prefilled: int = 0
    """Tokens fed without being drawn: prompts, forced text, recomputed cache."""
    tokens_scored: int = 0
    """Tokens that a second model (a separate reward model) re-read."""
    forward_passes: int | None = 0
    """Forward passes that computed at least one of these tokens; None where an engine cannot know."""
    seconds: float = 0.0
    """Wall-clock time from the first request to the last token."""

    def __add__(self, other: Cost) -> Cost:
        passes = None
        if self.forward_passes is not None and other.forward_passes is not None:
            passes = self.forward_passes + other.forward_passes
        return Cost(
            tokens_generated=self.tokens_generated + other.tokens_generated,
            tokens_prefilled=self.tokens_prefilled + other.tokens_prefilled,
            tokens_scored=self.tokens_scored + other.tokens_scored,
            forward_passes=passes,
            seconds=self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """One thinking, with its grades and, where it was written, its answer."""

    id: str
    """Name within its tree: `0`, `1`, ... for branches from the prompt, `0.1` for the second fork of branch 0."""
    parent: str | None
    """The branch it was forked from; None where it began at the prompt."""
    token_ids: tuple[int, ...]
    """The completion's tokens: thinking and reply, without the prompt."""
    thinking: str
    """The text between the thinking tags; the whole completion where the model has none."""
    reply: str
    """The text after the thinking; the whole completion where the model has no tags; empty where none was written."""
    answer: str | None
    """The answer extracted from the reply; None where there is none."""
    steps: tuple[Step, ...]
    score: float | None
    """Trajectory score from the step scores, in [0, 1]; None where the model has no head."""
    logprob: float
    """Mean log-probability at temperature 1 over the thinking's generated tokens, in nats."""
    confidence: float
    """Mean DeepConf token confidence over the thinking's generated tokens, in nats."""
    tokens: int
    """Length of the thinking in tokens, inherited ones included."""
    finish: Finish
    forced_spans: tuple[tuple[int, int], ...] = ()
    """Half-open ranges of `token_ids` that were forced upon it, not generated."""
    error: str | None = None
    """Why it failed, where `finish` is "failed"."""
    text: str = ""
    """Everything that was written: the text of `token_ids`."""
    token_logprobs: tuple[float, ...] = ()
    """Log-prob at temperature 1 of each of `token_ids`, in nats; 0 for forced ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a selector decided over a set of trajectories."""

    index: int | None
    """Position of the chosen trajectory; None where it abstained or nothing could be chosen."""
    answer: str | None
    """The answer given; None where it abstained or nothing could be chosen."""
    share: float
    """Share of the votes behind `answer`, in [0, 1]: the selector's confidence."""
    values: tuple[float, ...]
    """The selector's value of each trajectory, in order; the larger the better."""


Happening = Literal["started", "forked", "forced", "closed", "answered", "cancelled", "failed"]
"""What may happen to a branch in a search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a branch in a search."""

    branch: str
    """Its name; the name of its parent is in its trajectory."""
    what: Happening
    tokens: int
    """Tokens that the whole search had generated by then."""
    step: int
    """Graded steps that the branch had by then."""
    why: str = ""
    """The strategy's reason, where it had one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The answer to one problem, with everything that led to it."""

    problem: Problem
    answer: str | None
    choice: Choice
    trajectories: tuple[Trajectory, ...]
    cost: Cost
    strategy: str
    select: str
    seed: int
    trace: tuple[Event, ...] = ()
    """What happened to the branches, in order."""
    notes: tuple[str, ...] = ()
    """What a reader must know to judge it, e.g. that the head was trained on another backbone."""

    @property
    def chosen(self) -> Trajectory | None:
        """The trajectory that gave the answer; None where the selector abstained."""
        return None if self.choice.index is None else self.trajectories[self.choice.index]
