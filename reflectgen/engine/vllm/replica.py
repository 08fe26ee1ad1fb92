"""One copy of a model in vLLM, wherever it runs: what the engine asks of it and what comes back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from reflectgen.config import Sampling
from reflectgen.engine.vllm.channel import Row

STREAM = 8
"""Tokens that come together. A strategy hears of a step this much later at most; the last tokens of a request never wait."""
TRIES = 4
"""Requests in a row that may bring nothing before whatever they are for fails."""
GREEDY = Sampling(temperature=0, top_p=1)
"""How a token is drawn that nobody wants."""


class Lost(Exception):
    """The replica cannot go on: it is dead, or a stream broke. Its message is a clause without a full stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request: go on after these tokens."""

    ids: list[int]
    most: int
    """Tokens to draw at most, besides those replayed."""
    sampling: Sampling = GREEDY
    stop: Sequence[int] = ()
    """Tokens after which nothing more is drawn."""
    replay: Sequence[int] | None = None
    """For a head that reads whole steps: tokens that come first, of the step whose first state is that of the last of `ids`,
    before those that are drawn; every row's logit is then of the mean over the step so far. None: of one state."""

    @property
    def replayed(self) -> int:
        """How many rows come before the first that is drawn."""
        return len(self.replay or ())


@dataclass(frozen=True, slots=True)
class Part:
    """What came of a request since the last part."""

    rows: list[Row]
    prefilled: int = 0
    """Tokens of the request that had to be computed, since no cache held them; over all parts they add up."""
    done: bool = False
    """Whether no token is drawn any more; parts may follow that only count."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one pass over a text measured of each of its tokens but the first."""

    logprobs: list[float]
    confidences: list[float]


class Replica(Protocol):
    """Draws tokens. Its methods raise `Lost` where it cannot go on, and `ModelError` where it refuses a request."""

    name: str
    context: int
    """Most tokens of a text, drawn ones included."""

    @property
    def pressure(self) -> float:
        """Share of its cache in use, in [0, 1]."""

    @property
    def waiting(self) -> int:
        """Requests that wait for a place in it."""

    def draw(self, ask: Ask) -> AsyncGenerator[Part]:
        """Go on; closing the generator stops it at once."""

    async def measure(self, ids: Sequence[int]) -> Measured:
        """Log-probs and confidences of a given text."""

    async def alive(self) -> bool:
        """Whether it answers at all."""

    async def close(self) -> None:
        """Free what it holds."""
