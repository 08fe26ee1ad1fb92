"""The one seam between strategies and what computes: an Engine grows branches from a prompt and grades given traces.

Torch-free. Every engine gives the same `Branch` (`reflectgen.engine.branch`); it differs in how tokens are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from reflectgen.engine.branch import Branch, Pace
from reflectgen.engine.grammar import Grammar
from reflectgen.errors import CapacityError, InputError
from reflectgen.types import Step

if TYPE_CHECKING:
    from reflectgen.config import Sampling


class Engine(Protocol):
    """Draws tokens for branches and grades their steps in the same pass.

    Scores of all engines agree with the naive one to 1e-4 in fp32. Equal seeds give equal tokens on one engine whatever
    else is in the batch: the draw at position i of a branch depends on the branch's key and i alone.
    """

    grammar: Grammar
    context: int
    """Most tokens that prompt and completion may have together."""

    @property
    def pressure(self) -> float:
        """Share of the cache memory in use, in [0, 1]; 0 where an engine keeps no shared cache."""

    @property
    def waiting(self) -> int:
        """Live branches that have no place; 0 where every branch is served at once."""

    @property
    def notes(self) -> Sequence[str]:
        """What a reader of its results must know of it, e.g. that a server was lost; mostly nothing."""

    def branches(self, prompt: Sequence[int], n: int, sampling: Sampling, seed: int, pace: Pace = "free") -> list[Branch]:
        """`n` live branches from the prompt, which is computed once for all of them.

        Raises `InputError` for an empty prompt and `CapacityError` for one that leaves no room to think.
        """

    async def score(
        self, prompt: Sequence[int], completion: Sequence[int], forced: Sequence[tuple[int, int]] = ()
    ) -> tuple[Step, ...]:
        """The graded steps of a given trace: what decoding it would have reported.

        Tokens of the completion in the half-open ranges `forced` were not generated: they end no step and enter no mean.
        """

    async def close(self) -> None:
        """Cancel what is live and free the memory."""


def room(prompt: Sequence[int], context: int) -> int:
    """Tokens left for a completion after `prompt`; raises where there are none."""
    if not prompt:
        raise InputError("The prompt is empty: give at least one token.")
    if len(prompt) >= context:
        raise CapacityError(f"The prompt has {len(prompt)} tokens, the model's context {context}: shorten the prompt.")
    return context - len(prompt)
