"""The plain loop: one sequence at a time, a full pass over all its tokens for every new one, no cache.

Slow and plainly right: it is the oracle that every faster engine is compared with. Each pass re-reads everything, and
that is what its costs say.

Shapes: T tokens of prompt and completion together, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from reflectgen.engine.branch import Branch
from reflectgen.engine.grading import grade_trace, window_means
from reflectgen.engine.grammar import Grammar
from reflectgen.engine.sampling import Draw, Knobs, draw, uniforms
from reflectgen.engine.turns import TurnEngine
from reflectgen.errors import CapacityError
from reflectgen.model.reflective import ReflectiveModel, ReflectiveOutput
from reflectgen.types import Step


class NaiveEngine(TurnEngine):
    """Draws and grades with plain forwards of `model`; nothing is batched and nothing is kept between passes."""

    pressure = 0.0

    def __init__(self, model: ReflectiveModel, grammar: Grammar, context: int) -> None:
        """`context` is the most tokens that prompt and completion may have together."""
        super().__init__(grammar, context)
        self.model = model.eval()

    def advance(self, branch: Branch) -> None:
        """One pass: give the step logit that the branch awaits, or draw its next token."""
        output = self._forward(branch.ids_between(0, branch.length))
        self._charge(branch)
        if branch.awaiting is not None:
            branch.settle(self._grade(output, branch.window()))
            return
        tokens, logprobs, confidences = self._draw(branch, output)
        token = int(tokens[0])
        logit = self._grade(output, branch.window(token)) if branch.grades(token) else None
        branch.append(token, float(logprobs[0]), float(confidences[0]), logit)

    async def score(
        self, prompt: Sequence[int], completion: Sequence[int], forced: Sequence[tuple[int, int]] = ()
    ) -> tuple[Step, ...]:
        """The graded steps of a given trace, from one pass over it."""
        if len(prompt) + len(completion) > self.context:
            raise CapacityError(
                f"The trace has {len(prompt) + len(completion)} tokens, the model's context {self.context}: shorten it."
            )
        return grade_trace(self.model, self.grammar, prompt, completion, forced)

    def _forward(self, ids: Sequence[int]) -> ReflectiveOutput:
        with torch.inference_mode():
            output: ReflectiveOutput = self.model(torch.tensor([ids], device=self.model.device), graded=False)
        return output

    def _draw(self, branch: Branch, output: ReflectiveOutput) -> Draw:
        """The token at the end of `branch`, by its own random stream."""
        key, position = np.array([branch.key], np.uint64), np.array([len(branch.ids)], np.uint64)
        return draw(output.logits[:, -1].float(), uniforms(key, position), Knobs.of([branch.tree.sampling]))

    @torch.inference_mode()
    def _grade(self, output: ReflectiveOutput, window: tuple[int, int]) -> float | None:
        return None if output.features is None else float(self.model.grade(window_means(output.features[0], [window])))

    def _charge(self, branch: Branch) -> None:
        """Count a pass over the whole branch, of which at most the last token was drawn and is new."""
        ledger = branch.tree.ledger
        ledger.forward_passes = (ledger.forward_passes or 0) + 1
        ledger.tokens_prefilled += branch.length - (1 if branch.ids else 0)
