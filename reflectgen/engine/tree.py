"""The Tree: all branches that grow from one prompt, their limits, and what they cost together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reflectgen.engine.branch import Branch, Host, Pace
from reflectgen.engine.grammar import Grammar
from reflectgen.engine.keys import mix
from reflectgen.errors import CapacityError
from reflectgen.types import Cost

if TYPE_CHECKING:
    from reflectgen.config import Sampling


@dataclass(slots=True)
class Ledger:
    """The running cost of one tree, written by its engine."""

    tokens_generated: int = 0
    tokens_prefilled: int = 0
    tokens_scored: int = 0
    forward_passes: int | None = 0
    began: float = field(default_factory=time.perf_counter)
    ended: float = field(default_factory=time.perf_counter)

    def cost(self) -> Cost:
        """The cost so far."""
        return Cost(
            tokens_generated=self.tokens_generated,
            tokens_prefilled=self.tokens_prefilled,
            tokens_scored=self.tokens_scored,
            forward_passes=self.forward_passes,
            seconds=self.ended - self.began,
        )


class Tree:
    """All branches that grow from one prompt, and what they cost together."""

    def __init__(
        self, prompt: Sequence[int], sampling: Sampling, seed: int, pace: Pace, room: int, grammar: Grammar, host: Host
    ):
        self.prompt = tuple(prompt)
        self.sampling = sampling
        self.pace = pace
        self.grammar = grammar
        self.watched = grammar.watched
        self.host = host
        self.grader: Callable[[Branch], None] = _no_grader
        """Is told of each branch that is `grading`, also where it was told before, and settles it."""
        self.seed = mix(seed, *self.prompt)
        self.ledger = Ledger()
        self.branches: list[Branch] = []
        self.thinking_limit, self.answer_limit = limits(room, sampling, grammar)

    @property
    def cost(self) -> Cost:
        """What the whole tree has cost so far."""
        return self.ledger.cost()

    def add(self, n: int) -> list[Branch]:
        """`n` more live branches from the prompt, as if they had been asked for with the first ones."""
        branches = self.grow(n)
        for branch in branches:
            self.host.wake(branch)
        return branches

    def grow(self, n: int) -> list[Branch]:
        """`n` new branches from the prompt, for an engine that wakes them itself."""
        first = sum(branch.parent is None for branch in self.branches)
        branches = [Branch(self, str(i), None, mix(self.seed, i)) for i in range(first, first + n)]
        self.branches += branches
        return branches


def _no_grader(branch: Branch) -> None:
    raise AssertionError(f"Branch {branch.id} is to be graded by a separate model, and its tree has none.")


def limits(room: int, sampling: Sampling, grammar: Grammar) -> tuple[int, int]:
    """Most tokens of a thinking and of its reply, of `room` tokens after the prompt; a quarter is kept for a reply.

    Raises `CapacityError` where that leaves nothing to think with.
    """
    tags = grammar.segmenter.tags
    reply = min(sampling.answer_tokens, max(1, room // 4)) if tags else 0
    thinking = min(sampling.max_tokens, room - reply - (len(tags.close) if tags else 0))
    if thinking < 1:
        raise CapacityError(
            f"The prompt leaves {room} tokens of the model's context, too few to think and answer: shorten the prompt."
        )
    return thinking, reply
