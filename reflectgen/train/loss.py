"""The self-supervised process reward (SPR) loss: every step of a trace is taught the outcome of the whole trace.

Source: arXiv 2507.01951, SPR loss: y = 1 if the trace's final answer is correct, else 0, and
L = (1/n) sum_i w_i BCE(Score_i, y), with w_i = 1 where the head's own verdict (Score_i > 0.5) agrees with y, else 0.
A batch's loss is the mean of L over its traces.

Functions are pure: tensors in, (loss, metrics) out. The kept-only loss can fall while nothing is learnt, since w may
drop every hard step or leave one class only; so the metrics also hold the loss over all steps, the kept share of each
class, and how well trace scores tell right from wrong.

Deviations:
1. Traces that were cut off (`ended` False) are left out: their outcome is not known. The authors mean to, but their mask
   has no effect.
2. `balance="even"` gives each class half of the weight of a batch: c+ = (B + 2) / (2 (B+ + 1)) and likewise c-, counted
   over traces. The authors count kept steps instead. `balance="none"` is the formula above.

Shapes: B traces, S graded steps of all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Metrics = dict[str, Tensor]
"""Detached scalars; a quantity that a batch does not define (one class only) is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """The head's verdicts on the steps of a batch, with the outcomes of its traces."""

    logits: Tensor
    """Head outputs (S,)."""
    trace: Tensor
    """Row of the trace that each step belongs to (S,), int64 in [0, B)."""
    correct: Tensor
    """Whether each trace's final answer is right (B,), bool."""
    ended: Tensor
    """Whether each trace ended by itself (B,), bool; one that was cut off is left out."""

    @property
    def outcomes(self) -> Tensor:
        """Each step's label: its trace's outcome (S,), as floats."""
        return self.correct[self.trace].to(self.logits.dtype)


def agreeing(logits: Tensor, outcomes: Tensor) -> Tensor:
    """The paper's dynamic weight w_i: 1 where the head's verdict agrees with the outcome (a logit of 0 never does)."""
    return torch.where(outcomes > 0.5, logits > 0, logits < 0).to(logits.dtype)


def everything(logits: Tensor, outcomes: Tensor) -> Tensor:
    """w_i = 1: for the warm-up, before the head's verdicts mean anything."""
    return torch.ones_like(logits)


WEIGHTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"paper": agreeing, "warmup": everything}
"""Name of a preset -> (logits (S,), outcomes (S,)) -> step weights (S,)."""


def _even(correct: Tensor, counted: Tensor) -> Tensor:
    total, right = counted.sum(), (counted & correct).sum()
    return torch.where(correct, (total + 2) / (2 * (right + 1)), (total + 2) / (2 * (total - right + 1)))


BALANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "none": lambda correct, counted: torch.ones_like(correct, dtype=torch.float32),
    "even": _even,
}
"""Name -> (correct (B,), counted (B,)) -> trace weights (B,)."""


def spr_loss(graded: Graded, *, preset: str = "paper", balance: str = "none") -> tuple[Tensor, Metrics]:
    """The SPR loss of a batch, a scalar that is 0 (and still differentiable) where no trace counts.

    Metrics: `spr` (this loss), `spr_all` (with w = 1), `kept_right` and `kept_wrong` (share of the class's steps with
    w = 1), `gap` (mean score of right traces less that of wrong ones) and `auc` (of trace scores).
    """
    logits, outcomes = graded.logits, graded.outcomes
    steps = torch.bincount(graded.trace, minlength=len(graded.correct))  # (B,)
    counted = graded.ended & (steps > 0)  # (B,)
    traces = BALANCES[balance](graded.correct, counted) * counted / counted.sum().clamp(min=1)  # (B,)
    share = (traces / steps.clamp(min=1))[graded.trace]  # (S,)
    weights = WEIGHTS[preset](logits.detach(), outcomes)  # (S,)
    errors = F.binary_cross_entropy_with_logits(logits, outcomes, reduction="none")  # (S,)
    loss = (share * weights * errors).sum()
    metrics = {"spr": loss.detach(), "spr_all": (share * errors).sum().detach()}
    return loss, metrics | _kept(graded, weights) | _separation(graded, steps, counted)


def _kept(graded: Graded, weights: Tensor) -> Metrics:
    """Share of each class's steps that the weights keep, among traces that ended."""
    inside = graded.ended[graded.trace]
    classes = {"kept_right": inside & graded.correct[graded.trace], "kept_wrong": inside & ~graded.correct[graded.trace]}
    return {name: weights[members].mean() for name, members in classes.items() if members.any()}


def _separation(graded: Graded, steps: Tensor, counted: Tensor) -> Metrics:
    """How trace scores (geometric means of step scores) differ between the classes."""
    logs = torch.zeros(len(steps), dtype=graded.logits.dtype, device=graded.logits.device)
    logs.index_add_(0, graded.trace, F.logsigmoid(graded.logits.detach()))
    scores, correct = (logs / steps.clamp(min=1)).exp()[counted], graded.correct[counted]
    if not correct.any() or correct.all():
        return {}
    return {"gap": scores[correct].mean() - scores[~correct].mean(), "auc": auc(scores, correct)}


def auc(scores: Tensor, positive: Tensor) -> Tensor:
    """Chance that a positive scores above a negative, ties counted half: (N,), (N,) bool -> scalar; NaN for one class."""
    above = scores[positive][:, None] - scores[~positive][None, :]
    return ((above > 0).float() + 0.5 * (above == 0).float()).mean()


def scale_gradient(features: Tensor, scale: float) -> Tensor:
    """`features`, with the gradient that flows back through them scaled: the released code's f s + stop(f) (1 - s)."""
    return features if scale == 1 else features * scale + features.detach() * (1 - scale)
