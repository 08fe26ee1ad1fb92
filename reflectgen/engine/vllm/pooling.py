"""Inside vLLM: the mean over a step's states, for a head that reads the whole step.

The rows that a request draws from come one by one, so their sum is a running one. A request that is to be graded so begins at
the step's first state: its prompt ends there, and what is written of the step already it draws anew, since `REPLAY` among its
extra arguments names those tokens. So its k-th row is the step's k-th state, and the mean over all of its rows so far is what
the head reads. Nothing is kept of a step once its request is over, and no cache needs to hold states.

vLLM's own interface for logits processors tells which row belongs to which request, before each pass, and lets the replayed
tokens be drawn. The model (`reflectgen.engine.vllm.modeling`) finds the processor in vLLM's configuration, which both are
given, under the name `POOLS`.

Rows that draw nothing, at the end of a chunk of a prompt, count as well until the next row of their request takes their
place: a row is final when a token was drawn after it. So sums are right after a preemption, too, whose prefill gives such
rows in the midst of a step.

Shapes: R rows to draw from, P of them of steps, D the backbone's width, V its vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from vllm import SamplingParams
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

from reflectgen.engine.vllm.heads import POOLS, REPLAY


class Step:
    """One request's step."""

    def __init__(self, replay: list[int]) -> None:
        self.replay = replay
        """Tokens that it begins with."""
        self.drawn: list[int] = []
        """vLLM's own list of the tokens that were drawn for the request; replaced after a preemption."""
        self._final = 0
        self._past: Tensor | None = None
        self.total: Tensor | None = None
        """Sum of the states of all rows (D,), the newest one's included."""

    def past(self, like: Tensor) -> Tensor:
        """Sum (D,) of the states of all rows that a token was drawn from, zeros like `like` where there is none."""
        if self._past is None:
            self._past = torch.zeros_like(like)
        if len(self.drawn) > self._final and self.total is not None:
            self._past, self._final = self.total, len(self.drawn)
        return self._past

    @property
    def due(self) -> int | None:
        """The token that must be drawn next; None where any may."""
        done = len(self.drawn)
        return self.replay[done] if done < len(self.replay) else None


class Pools(LogitsProcessor):
    """Knows the steps that are in the works, and forces what they begin with."""

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        self.steps: dict[int, Step] = {}
        """By row."""
        self._fresh = False
        setattr(vllm_config, POOLS, self)

    @classmethod
    def validate_params(cls, sampling_params: SamplingParams) -> None:
        """Raise `ValueError` for a replay that is no list of ids."""
        replay = (sampling_params.extra_args or {}).get(REPLAY, [])
        if not isinstance(replay, list) or any(type(token) is not int or token < 0 for token in replay):
            raise ValueError(f"{REPLAY} is no list of token ids.")

    def is_argmax_invariant(self) -> bool:
        """No: a replayed token need not be the likeliest."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """A pass is about to begin, whose rows are those of the batch as it is now."""
        process_dict_updates(self.steps, batch_update, _step_of)
        self._fresh = True

    def means(self, features: Tensor) -> Tensor:
        """What the head reads of each row: the mean over its step so far, or the state itself; (R, D) -> (R, D) fp32.

        Only the first call in a pass is for the rows of the batch; later ones are for rows of prompts.
        """
        states = features.float()
        fresh, self._fresh = self._fresh, False
        if not fresh or not self.steps:
            return states
        rows, steps = list(self.steps), list(self.steps.values())
        totals = torch.stack([step.past(states[0]) for step in steps]) + states[rows]  # (P, D)
        for step, total in zip(steps, totals, strict=True):
            step.total = total
        counts = torch.tensor([[len(step.drawn) + 1.0] for step in steps], device=states.device)  # (P, 1)
        return states.index_copy(0, torch.tensor(rows, device=states.device), totals / counts)

    def apply(self, logits: Tensor) -> Tensor:
        """Leave the rows (R, V) that replay a token no other choice."""
        for row, step in self.steps.items():
            if step.due is not None and step.due < logits.shape[-1]:
                logits[row] = -torch.inf
                logits[row, step.due] = 0
        return logits


def _step_of(params: SamplingParams, prompt: list[int] | None, drawn: list[int]) -> Step | None:
    """The step of a request that has come into the batch, perhaps again: it is kept with the request's own arguments."""
    kept = (params.extra_args or {}).get(REPLAY)
    if kept is None or params.extra_args is None:
        return None
    step = kept if isinstance(kept, Step) else Step(kept)
    step.drawn = drawn
    params.extra_args[REPLAY] = step
    return step
