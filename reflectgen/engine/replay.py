"""An engine that plays stored thinkings: a search over them, exactly as it would have gone while they were sampled.

Branch i from a problem's prompt writes the tokens of its stored trace i, with their log-probs, and its steps get the stored
grades. A strategy that lets branches think, stops them, adds more and lets them answer can be replayed at any cost in
seconds a computer wants, as often as wanted; one that forks or forces draws tokens that nobody stored, and its branch fails.

Not stored are the confidences of single tokens: each token of a step is given the step's mean, and those behind the last
step what makes the thinking's mean right. Their means over steps and thinkings, all that strategies see, are the stored ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reflectgen.engine.base import Engine
from reflectgen.engine.branch import Branch, Pace
from reflectgen.engine.turns import TurnEngine
from reflectgen.errors import InputError, OptionError
from reflectgen.types import Step

if TYPE_CHECKING:
    from reflectgen.config import Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One stored thinking, as far as playing it needs."""

    token_ids: tuple[int, ...]
    token_logprobs: tuple[float, ...]
    steps: tuple[Step, ...]
    confidence: float
    """Mean over the thinking's drawn tokens."""
    tokens: int
    """Length of the thinking."""
    error: str | None = None

    def confidences(self) -> list[float]:
        """One for each token of the thinking; see the module's docstring."""
        values: list[float] = []
        covered = 0.0
        for step in self.steps:
            length = step.token_span[1] - len(values)
            values += [step.confidence] * length
            covered += step.confidence * length
        rest = self.tokens - len(values)
        return values + [(self.confidence * self.tokens - covered) / rest] * rest if rest > 0 else values


class ReplayEngine(TurnEngine):
    """Plays the recordings of each prompt; see the module's docstring."""

    pressure = 0.0

    def __init__(self, source: Engine, recordings: Mapping[tuple[int, ...], Sequence[Recording]]) -> None:
        """`recordings` are those of each prompt, by its token ids; `source` drew them, or one like it did."""
        super().__init__(source.grammar, source.context)
        self._recordings = recordings
        self._confidences: dict[Branch, list[float]] = {}

    def branches(self, prompt: Sequence[int], n: int, sampling: Sampling, seed: int, pace: Pace = "free") -> list[Branch]:
        """`n` live branches that play the first `n` recordings of `prompt`; the sampling and the seed are the store's."""
        if tuple(prompt) not in self._recordings:
            raise InputError("The store has no thinkings of this prompt: replay the problems that it was filled with.")
        return super().branches(prompt, n, sampling, seed, pace)

    def wake(self, branch: Branch) -> None:
        """Let `branch` play on."""
        if branch not in self._held:
            recorded = self._of(branch)
            self._confidences[branch] = recorded.confidences()
        super().wake(branch)

    def release(self, branch: Branch) -> None:
        """Forget `branch`."""
        self._confidences.pop(branch, None)
        super().release(branch)

    def advance(self, branch: Branch) -> None:
        """Play one token, or give the grade that the branch awaits."""
        recorded, at = self._of(branch), len(branch.ids)
        if branch.awaiting is not None:
            branch.settle(recorded.steps[len(branch.steps)].logit)
            return
        if at >= len(recorded.token_ids) or tuple(branch.ids[max(0, at - 8) :]) != recorded.token_ids[max(0, at - 8) : at]:
            branch.fail(recorded.error or "It would go on otherwise than it was stored.")
            return
        token = recorded.token_ids[at]
        logit = recorded.steps[len(branch.steps)].logit if branch.grades(token) else None
        confidences = self._confidences[branch]
        confidence = confidences[at] if at < len(confidences) else 0.0
        branch.append(token, recorded.token_logprobs[at], confidence, logit)

    async def score(
        self, prompt: Sequence[int], completion: Sequence[int], forced: Sequence[tuple[int, int]] = ()
    ) -> tuple[Step, ...]:
        """Grades are read from the store alone."""
        raise OptionError("A replay grades nothing: load the model to score a text.")

    def _of(self, branch: Branch) -> Recording:
        """What `branch` plays."""
        recordings = self._recordings[branch.tree.prompt]
        if branch.parent is not None:
            raise OptionError("A strategy that forks draws tokens that were not stored: run it on the model.")
        if int(branch.id) >= len(recordings):
            raise OptionError(f"The store has {len(recordings)} thinkings a problem, too few: give a smaller k.")
        return recordings[int(branch.id)]
