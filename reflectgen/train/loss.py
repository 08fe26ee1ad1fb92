"""Losses of the SPRM head, by name: every step of a trace is taught what became of the whole trace.

Source: arXiv 2507.01951, SPR loss: y = 1 if the trace's final answer is correct, else 0, and
L = (1/n) sum_i w_i BCE(Score_i, y), with w_i = 1 where the head's own verdict (Score_i > 0.5) agrees with y, else 0.
A batch's loss is the mean of L over its traces.

| name | w | what weighs the same |
| --- | --- | --- |
| `paper` | dynamic | all traces that count, and all steps of a trace |
| `warmup`, `bce` | 1 | the same: for before the head's verdicts mean anything, and as the plain loss |
| `soft` | 1 | the same; steps are taught given labels in [0, 1] (Monte Carlo, judge, oracle) |
| `orm` | 1 | all traces; only the last step of each is graded (an outcome reward model) |
| `even`, `even_paper` | 1, dynamic | right and wrong traces of the batch: c+ = (T + 2) / (2 (T+ + 1)), and c- likewise |
| `official` | dynamic | as the released code: classes balanced by their numbers of kept steps (`official`) |
| `group`, `group_paper`, `group_orm` | 1, dynamic, 1 | problems with both right and wrong traces; both halves of each |
| `pairwise`, `pairwise_paper` | 1, dynamic | such problems, and all pairs of a right and a wrong trace of each |

Group balance and pairs leave out problems whose traces are all right or all wrong, so that labels say nothing of how hard
a problem is; the other losses learn from these too.

Functions are pure: tensors in, (loss, metrics) out. The kept-only loss can fall while nothing is learnt, since w may drop
every hard step or leave one class only; so the metrics also hold the loss over all steps, the kept share of each class, and
how well trace scores tell right from wrong, overall and within problems. Over several ranks every rank returns the value
and the metrics of the joint batch, and the mean of their gradients is its gradient (`reflectgen.train.graded`).

Deviations:
1. Traces that were cut off (`ended` False) are left out: their outcome is not known. The authors mean to, but their mask
   has no effect.
2. Where labels of steps are given they take the outcome's place as y, in every loss but `pairwise`.
3. `pairwise_paper`: a pair's value is that of the whole traces; w says which steps get its gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from reflectgen import registry
from reflectgen.errors import OptionError
from reflectgen.train.graded import Graded, Keep, Reduce, Traces, alone, join, last_steps, tabulate
from reflectgen.train.pairs import auc, auc_within, mean_over_problems, pairs

__all__ = ["LOSSES", "OFFICIAL_GRADIENT_SCALE", "Graded", "Loss", "Metrics", "auc", "named_loss", "scale_gradient"]

Metrics = dict[str, Tensor]
"""Detached scalars under the same names for every batch; NaN for what a batch does not define (one class only)."""

OFFICIAL_GRADIENT_SCALE = 1e-4
"""The released code's scale of the head's gradient into the backbone, for `scale_gradient` beside the loss `official`."""


# -- which steps are kept ----------------------------------------------------------------------------------------------


def agreeing(logits: Tensor, targets: Tensor) -> Tensor:
    """The paper's dynamic weight w_i: 1 where the head's verdict agrees with the target (a logit of 0 never does)."""
    return torch.where(targets > 0.5, logits > 0, logits < 0).to(logits.dtype)


def everything(logits: Tensor, targets: Tensor) -> Tensor:
    """w_i = 1."""
    return torch.ones_like(logits)


# -- what weighs the same ----------------------------------------------------------------------------------------------

Balance = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(correct (N,) bool, counted (N,) bool, group (N,) int64) -> weight of each trace (N,), 0 where it does not count."""


def each(correct: Tensor, counted: Tensor, group: Tensor) -> Tensor:
    """Traces weigh the same, 1 in all."""
    return counted / counted.sum().clamp(min=1)


def even(correct: Tensor, counted: Tensor, group: Tensor) -> Tensor:
    """Right and wrong traces weigh the same, about 1 in all: c / T, with counts plus one so that a lone class is tame."""
    total, right = counted.sum(), (counted & correct).sum()
    weights = torch.where(correct, (total + 2) / (2 * (right + 1)), (total + 2) / (2 * (total - right + 1)))
    return weights * counted / total.clamp(min=1)


def halves(correct: Tensor, counted: Tensor, group: Tensor) -> Tensor:
    """Problems with right and wrong traces weigh the same, 1 in all; so do both halves of a problem, and traces of a half."""
    problems, place = group.unique(return_inverse=True)
    half = 2 * place + correct  # (N,)
    sizes = torch.bincount(half[counted], minlength=2 * len(problems)).view(-1, 2)
    mixed = (sizes > 0).all(dim=1, keepdim=True)
    weights = mixed / (2 * sizes.clamp(min=1) * mixed.sum().clamp(min=1))
    return weights.flatten()[half] * counted


# -- from traces to a scalar -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MeanOverSteps:
    """sum_t weight_t (1/n_t) sum_i w_i BCE_i, with weights by `balance` over these traces."""

    balance: Balance

    def __call__(self, traces: Traces) -> Tensor:
        """A scalar; 0 where no trace counts."""
        return _weighed(traces, self.balance(traces.correct, traces.counted, traces.group))

    @staticmethod
    def given(traces: Traces) -> Tensor:
        """The same with the weights that were given, which are 1 in the mean over the batch that these are a part of."""
        return _weighed(traces, traces.weight * traces.counted / max(1, len(traces.weight)))


def _weighed(traces: Traces, weights: Tensor) -> Tensor:
    """The mean over each trace's steps, and their sum by `weights` (N,)."""
    means = traces.errors.sum(1) / traces.steps.sum(1).clamp(min=1)  # (N,)
    return (weights * means).sum()


def official(traces: Traces) -> Tensor:
    """The released code's: sum(w c BCE) / (sum(w c) + 1e-5), with c+ = 1.5 neg / (pos + neg) and c- = pos / (pos + neg).

    pos and neg are the numbers of kept steps of the two classes in the whole batch, each plus one.
    """
    counted = traces.counted.unsqueeze(1)
    kept, errors = (traces.kept * counted).sum(0), (traces.errors * counted).sum(0)  # (2,) each: wrong, right
    wrong, right = kept + 1
    balance = torch.stack([right, 1.5 * wrong]) / (right + wrong)  # (2,)
    return (balance * errors).sum() / ((balance * kept).sum() + 1e-5)


def bradley_terry(traces: Traces) -> Tensor:
    """-log sigmoid(s_right - s_wrong), mean over a problem's pairs and over problems; 0 where no problem has a pair.

    s is the log of the trajectory score, mean log sigmoid(logit): the very number by which the best trace is chosen. It
    is at most 0, so no step's certainty makes up for a step that is thought wrong, as it would in a mean of logits.
    """
    right, wrong = pairs(traces.correct, traces.counted, traces.group)
    margins = traces.score[right] - traces.score[wrong]  # (P,)
    return mean_over_problems(F.softplus(-margins), traces.group[right])


# -- the losses --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One loss of the head. Its scalar is differentiable also where it is 0 because no trace counts."""

    objective: Callable[[Traces], Tensor]
    keep: Keep = everything
    last_only: bool = False
    """Whether only the last step of each trace is graded."""
    needs_labels: bool = False
    """Whether labels of steps must be given."""

    def __call__(self, graded: Graded, reduce: Reduce = alone) -> tuple[Tensor, Metrics]:
        """The loss and its metrics; `reduce` is called exactly once, whatever the batch holds.

        Metrics: `spr` (this loss), `spr_all` (with w = 1), `kept_right` and `kept_wrong` (share of the class's steps with
        w = 1), `gap` (mean score of right traces less that of wrong ones), `auc` (of trace scores) and `auc_within` (its
        mean over problems with right and wrong traces). Raises `OptionError` where labels or weights do not fit the loss.
        """
        objective = self._objective(graded)
        steps = last_steps(graded) if self.last_only else graded
        traces, ranks = join(tabulate(steps, self.keep), graded.first, graded.total, reduce)
        loss = objective(traces)
        with torch.no_grad():
            metrics = {"spr": loss.detach(), "spr_all": objective(traces.unfiltered), **_kept(traces), **_separation(traces)}
        return scale_gradient(loss, ranks), metrics

    @property
    def unfiltered(self) -> Loss:
        """The same loss with w = 1: its warm-up."""
        return replace(self, keep=everything)

    def weights(self, correct: Tensor, counted: Tensor, group: Tensor) -> Tensor:
        """Weights (N,) of all traces of a batch, for `Graded.weight` of the equal parts that it is computed in.

        The mean over the parts' losses is then the loss of the whole, however the traces of a problem are scattered over
        ranks and accumulated micro-batches. `counted` (N,) says which traces ended by themselves and have a step. Raises
        `OptionError` for a loss that weighs steps or pairs.
        """
        return self._by_trace.balance(correct, counted, group) * len(correct)

    @property
    def _by_trace(self) -> MeanOverSteps:
        if not isinstance(self.objective, MeanOverSteps):
            raise OptionError("This loss weighs steps or pairs, not traces: give it whole batches, without Graded.weight.")
        return self.objective

    def _objective(self, graded: Graded) -> Callable[[Traces], Tensor]:
        if self.needs_labels and graded.labels is None:
            raise OptionError("This loss teaches given labels of steps and there are none: make some with reflectgen label.")
        return self.objective if graded.weight is None else self._by_trace.given


LOSSES: dict[str, Loss] = {
    "paper": Loss(objective=MeanOverSteps(each), keep=agreeing),
    "official": Loss(objective=official, keep=agreeing),
    "warmup": Loss(objective=MeanOverSteps(each)),
    "bce": Loss(objective=MeanOverSteps(each)),
    "soft": Loss(objective=MeanOverSteps(each), needs_labels=True),
    "orm": Loss(objective=MeanOverSteps(each), last_only=True),
    "even": Loss(objective=MeanOverSteps(even)),
    "even_paper": Loss(objective=MeanOverSteps(even), keep=agreeing),
    "group": Loss(objective=MeanOverSteps(halves)),
    "group_paper": Loss(objective=MeanOverSteps(halves), keep=agreeing),
    "group_orm": Loss(objective=MeanOverSteps(halves), last_only=True),
    "pairwise": Loss(objective=bradley_terry),
    "pairwise_paper": Loss(objective=bradley_terry, keep=agreeing),
}
"""Name -> loss; the module's docstring tells them apart."""


def named_loss(name: str) -> Loss:
    """The loss of that name, or an installed one, or `module:attribute`; raises `OptionError` where there is none."""
    return registry.find("loss", name, LOSSES)


def _kept(traces: Traces) -> Metrics:
    """Share of each class's steps that is kept, among traces that count."""
    counted = traces.counted.unsqueeze(1)
    wrong, right = (traces.kept * counted).sum(0) / (traces.steps * counted).sum(0)
    return {"kept_right": right, "kept_wrong": wrong}


def _separation(traces: Traces) -> Metrics:
    """How trace scores (geometric means of step scores) differ between right and wrong."""
    logs, correct = traces.score[traces.scored], traces.correct[traces.scored]
    return {
        "gap": logs[correct].exp().mean() - logs[~correct].exp().mean(),
        "auc": auc(logs, correct),
        "auc_within": auc_within(traces.score, traces.correct, traces.scored, traces.group),
    }


def scale_gradient(values: Tensor, scale: float) -> Tensor:
    """`values`, with the gradient that flows back through them scaled: the released code's f s + stop(f) (1 - s)."""
    return values if scale == 1 else values * scale + values.detach() * (1 - scale)
