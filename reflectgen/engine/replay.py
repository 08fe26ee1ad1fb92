"""An engine that plays stored thinkings: a search over them, exactly as it would have gone while they were sampled.

Branch i from a problem's prompt writes the tokens of its stored trace i, with their log-probs, and its steps get the stored
grades. A strategy that lets branches think, stops them, adds more and lets them answer can be replayed as often as wanted. One
that forks is refused, since nobody stored what a fork would draw; where a thinking is forced on otherwise, its branch fails.

Not stored are the confidences of single tokens: each token of a step is given the step's mean, and those behind the last
step what makes the thinking's mean right. Their means over steps and thinkings, all that strategies see, are the stored ones.
Where a thinking ended with an end of text, which a closing tag then replaced, that token's own measures are not stored: it is
given the thinking's means, so a grade of such an end may differ between its end and its answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reflectgen.engine.branch import Branch, Pace
from reflectgen.engine.grammar import Grammar
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
    forced_spans: tuple[tuple[int, int], ...] = ()
    """Half-open ranges of `token_ids` that were not drawn."""
    error: str | None = None

    def confidences(self) -> list[float]:
        """One for each token; see the module's docstring."""
        values = [0.0] * max([len(self.token_ids), *(step.token_span[1] for step in self.steps)])
        known: set[int] = set()
        for step in self.steps:
            span = range(*step.token_span)
            values[span.start : span.stop] = [step.confidence] * len(span)
            known.update(span if span.stop <= self.tokens else ())
        drawn = [at for at in range(self.tokens) if not any(low <= at < high for low, high in self.forced_spans)]
        if rest := [at for at in drawn if at not in known]:
            missing = self.confidence * len(drawn) - sum(values[at] for at in drawn if at in known)
            for at in rest:
                values[at] = missing / len(rest)
        if self.steps and self.steps[-1].token_span[1] > self.tokens:
            self._settle_tag(values, self.steps[-1])
        return values

    def _settle_tag(self, values: list[float], step: Step) -> None:
        """Give the closing tag's tokens in the last step what makes the step's mean right."""
        start, stop = step.token_span
        inside = sum(values[start : self.tokens])
        tag = (step.confidence * (stop - start) - inside) / (stop - self.tokens)
        values[self.tokens : stop] = [tag] * (stop - self.tokens)


class ReplayEngine(TurnEngine):
    """Plays the recordings of each prompt; see the module's docstring."""

    pressure = 0.0

    def __init__(self, grammar: Grammar, context: int, recordings: Mapping[tuple[int, ...], Sequence[Recording]]) -> None:
        """`recordings` are those of each prompt, by its token ids, drawn by an engine of this grammar and context."""
        super().__init__(grammar, context)
        self._recordings = recordings
        self._played: dict[Branch, tuple[Recording, list[float]]] = {}

    def branches(self, prompt: Sequence[int], n: int, sampling: Sampling, seed: int, pace: Pace = "free") -> list[Branch]:
        """`n` live branches that play the first `n` recordings of `prompt`; the sampling and the seed are the store's."""
        if tuple(prompt) not in self._recordings:
            raise InputError("The store has no thinkings of this prompt: replay the problems that it was filled with.")
        self._need(n, self._recordings[tuple(prompt)])
        return super().branches(prompt, n, sampling, seed, pace)

    def wake(self, branch: Branch) -> None:
        """Let `branch` play on."""
        if branch not in self._played:
            recorded = self._of(branch)
            self._played[branch] = recorded, recorded.confidences()
        super().wake(branch)

    def release(self, branch: Branch) -> None:
        """Forget `branch`."""
        self._played.pop(branch, None)
        super().release(branch)

    def advance(self, branch: Branch) -> None:
        """Play one token, or give the grade that the branch awaits."""
        (recorded, confidences), at = self._played[branch], len(branch.ids)
        if branch.awaiting is not None:
            branch.settle(recorded.steps[len(branch.steps)].logit)
        elif not branch.answering and at == recorded.tokens < len(recorded.token_ids) and _is_forced(recorded, at):
            end, logprob = min(self.grammar.eos), branch.logprob
            branch.append(end, logprob, recorded.confidence, self._logit(branch, recorded, end))
        elif at >= len(recorded.token_ids) or (at and branch.ids[-1] != recorded.token_ids[at - 1]):
            branch.fail(recorded.error or "It would go on otherwise than it was stored.")
        else:
            token = recorded.token_ids[at]
            branch.append(token, recorded.token_logprobs[at], confidences[at], self._logit(branch, recorded, token))

    async def score(
        self, prompt: Sequence[int], completion: Sequence[int], forced: Sequence[tuple[int, int]] = ()
    ) -> tuple[Step, ...]:
        """Grades are read from the store alone."""
        raise OptionError("A replay grades nothing: load the model to score a text.")

    def _logit(self, branch: Branch, recorded: Recording, token: int) -> float | None:
        return recorded.steps[len(branch.steps)].logit if branch.grades(token) else None

    def _of(self, branch: Branch) -> Recording:
        """What `branch` plays."""
        if branch.parent is not None:
            raise OptionError("A strategy that forks draws tokens that were not stored: run it on the model.")
        recordings = self._recordings[branch.tree.prompt]
        self._need(int(branch.id) + 1, recordings)
        return recordings[int(branch.id)]

    def _need(self, n: int, recordings: Sequence[Recording]) -> None:
        if n > len(recordings):
            raise OptionError(f"The store has {len(recordings)} thinkings a problem, too few: give a smaller k.")


def _is_forced(recorded: Recording, at: int) -> bool:
    """Whether token `at` was forced: there the thinking had ended with an end of text, which the closing tag replaced."""
    return any(low == at for low, _ in recorded.forced_spans)
