"""A completion in the making: tokens drawn or forced after a prompt, what was measured of each, and what an engine must know.

Ids are the completion's, without the prompt, except where prompt + ids is said.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


class Completion:
    """Tokens after a prompt. Whoever computes for them looks at `epoch` and `look`, since they may be replaced meanwhile."""

    def __init__(self, prompt: Sequence[int]) -> None:
        self.prompt = prompt
        self.ids: list[int] = []
        self.logprobs: list[float] = []
        """Log-prob at temperature 1 of each token of `ids`; 0 for forced ones."""
        self.confidences: list[float] = []
        """DeepConf token confidence of each token of `ids`; 0 for forced ones."""
        self.forced: list[tuple[int, int]] = []
        """Half-open ranges of `ids` that were not drawn."""
        self.epoch = 0
        """Goes up when `ids` change other than by drawing: what an engine has in flight for it is then void."""
        self._intact = sys.maxsize

    @property
    def length(self) -> int:
        """Number of tokens of prompt and completion together."""
        return len(self.prompt) + len(self.ids)

    def look(self) -> int:
        """Leading tokens of prompt and completion that stand as they did at the last look; all of them: `sys.maxsize`."""
        intact, self._intact = self._intact, sys.maxsize
        return intact

    def ids_between(self, start: int, stop: int) -> list[int]:
        """Tokens `start` to `stop` of prompt and completion together."""
        begin = len(self.prompt)
        return [*self.prompt[start:stop], *self.ids[max(0, start - begin) : max(0, stop - begin)]]

    def _draw(self, token: int, logprob: float, confidence: float) -> None:
        """One more token, drawn."""
        self.logprobs.append(logprob)
        self.confidences.append(confidence)
        self.ids.append(token)  # last, for those who watch from another thread

    def _append(self, tokens: Sequence[int]) -> None:
        """More tokens, forced."""
        self._void()
        if tokens:
            self.forced.append((len(self.ids), len(self.ids) + len(tokens)))
        self.logprobs += [0.0] * len(tokens)
        self.confidences += [0.0] * len(tokens)
        self.ids += tokens

    def _cut(self, length: int) -> None:
        """Keep the first `length` tokens."""
        self._void()
        self._intact = min(self._intact, len(self.prompt) + length)
        del self.ids[length:], self.logprobs[length:], self.confidences[length:]
        self.forced = [(low, min(high, length)) for low, high in self.forced if low < length]

    def _share(self, other: Completion, length: int) -> None:
        """Begin as the first `length` tokens of `other`."""
        self.ids, self.logprobs, self.confidences = other.ids[:length], other.logprobs[:length], other.confidences[:length]
        self.forced = [(low, min(high, length)) for low, high in other.forced if low < length]

    def _void(self) -> None:
        """Whatever is being computed for it now is not to be kept."""
        self.epoch += 1
