"""Step logits out of the very pass that computes TRL's log-probs: the head runs inside the model's own forward.

TRL replaces a policy's `forward` by one with a fused LM head (`trl.trainer.utils.add_fused_lm_head`). It is wrapped once
more here: where a call says which states the head reads, their logits come back beside the log-probs. So the pass is one,
wrappers that act on a model's forward (DDP, FSDP, autocast) see the head's weights used in it, and every rank uses them in
every pass, also one that has no step to grade.

Shapes: B traces, P padded prompt tokens, C padded completion tokens, T = P + C, D the backbone's width, N states that are
read, S graded steps.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any, Self

import torch
from torch import Tensor, nn
from trl.trainer.utils import FusedCausalLMOutput

from reflectgen.model.tap import FeatureTap
from reflectgen.train.loss import scale_gradient

HEAD = "sprm_head"
"""The attribute of the policy that holds its head, and so a part of the names of all the head's weights."""


def mark(windows: Sequence[Sequence[tuple[int, int]]], completion: int) -> Tensor:
    """The windows of each trace's steps (`reflectgen.train.outcomes`) as one tensor (B, C + 1), int32.

    Column j stands for the state at position P - 1 + j; it holds the number of the step that reads this state, else -1.
    """
    marks = torch.full((len(windows), completion + 1), -1, dtype=torch.int32)
    for row, steps in enumerate(windows):
        for step, (low, high) in enumerate(steps):
            marks[row, low:high] = step
    return marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """Which states of a padded batch the head reads, and for which steps."""

    row: Tensor
    """Trace of each state that is read (N,)."""
    position: Tensor
    """Position of each state that is read (N,), in [0, T)."""
    step: Tensor
    """Step that each of them belongs to (N,), in [0, S)."""
    trace: Tensor
    """Trace of each step (S,)."""

    @classmethod
    def of(cls, marks: Tensor, prompt: int) -> Self:
        """The reads of `marks` (B, C + 1) for prompts that were padded on the left to `prompt` tokens."""
        row, column = (marks >= 0).nonzero(as_tuple=True)  # (N,) each
        names, step = torch.unique_consecutive(row * marks.shape[1] + marks[row, column], return_inverse=True)
        return cls(row=row, position=column + prompt - 1, step=step, trace=names // marks.shape[1])

    def gather(self, features: Tensor) -> Tensor:
        """What the head reads of each step: the mean of its states; (B, T, D) -> (S, D), fp32 where means are taken."""
        states = features[self.row, self.position]  # (N, D)
        if len(self.row) == len(self.trace):
            return states
        sums = torch.zeros(len(self.trace), states.shape[1], device=states.device).index_add(0, self.step, states.float())
        return sums / torch.bincount(self.step, minlength=len(self.trace)).unsqueeze(1)


@dataclass
class GradedOutput(FusedCausalLMOutput):
    """TRL's output, with the head's logits of the steps (S,) that were asked for."""

    step_logits: Tensor | None = None


def grade_in_forward(policy: nn.Module, tap: FeatureTap, gradient_scale: float) -> None:
    """Let `policy(..., reads=...)` return a `GradedOutput`; without `reads` it does what it did before.

    `policy` has its head as the attribute `HEAD`, and `tap` reads the states that the head was made for. The gradient that
    flows back from the logits into the backbone is scaled by `gradient_scale`.
    """
    inner = policy.forward

    @functools.wraps(type(policy).forward)  # `generate` looks at the signature
    def forward(self: nn.Module, *args: Any, reads: Reads | None = None, **kwargs: Any) -> Any:
        output = inner(*args, **kwargs)
        features = tap.take()  # (B, T, D)
        if reads is None:
            return output
        read = reads.gather(features) if len(reads.trace) else features[:1, 0]  # one state of no step where there is none
        logits = grade(getattr(self, HEAD), scale_gradient(read, gradient_scale))[: len(reads.trace)]
        return GradedOutput(**output, step_logits=logits)

    policy.forward = MethodType(forward, policy)


def grade(head: nn.Module, read: Tensor) -> Tensor:
    """Logits of what was read, (S, D) -> (S,): in fp32 also where the pass is autocast, unless a wrapper (FSDP with mixed
    precision) holds the head's weights in fewer bits.
    """
    full = all(weight.dtype == torch.float32 for weight in head.parameters())
    with torch.autocast(read.device.type, enabled=not full):
        logits: Tensor = head(read)
    return logits


class GradedCall:
    """Stands in for a policy in a call of TRL's that knows nothing of a head: adds `reads`, and keeps the step logits."""

    def __init__(self, policy: nn.Module, reads: Reads) -> None:
        self.policy, self.reads = policy, reads
        self.step_logits = torch.empty(0)

    def __call__(self, **inputs: Any) -> Any:
        """One pass of the policy."""
        output = self.policy(**inputs, reads=self.reads)
        self.step_logits = output.step_logits
        return output
