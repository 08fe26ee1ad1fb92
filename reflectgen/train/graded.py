"""The head's verdicts on a batch: steps as one rank holds them, and traces as all ranks together hold them.

A loss is a function of the traces of the whole batch, whichever rank holds them. Each rank sums its steps up into one row a
trace (`tabulate`), the rows of all ranks are added up into one table (`join`), and every rank computes the same loss from
that. Its own rows carry gradients, the others' are constants. `join` is one sum over ranks, of a size that depends on
nothing but the number of traces: ranks stay in step whatever their data, also where one has no step at all.

Gradients. What the ranks' own rows get adds up to the gradient of the joint batch. Data-parallel training averages over
ranks instead of adding, so `join` also says how many ranks there are, and the loss's gradient is multiplied by that.

Shapes: S graded steps and B traces of this rank, N traces of all ranks, 2 classes (0 wrong, 1 right).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from reflectgen.errors import OptionError

Reduce = Callable[[Tensor], Tensor]
"""Sums a small float tensor over all ranks, e.g. `lambda table: accelerator.reduce(table, "sum")`."""
Keep = Callable[[Tensor, Tensor], Tensor]
"""(logits (S,), targets (S,)) -> weight of each step (S,), 1 to keep it and 0 to drop it."""


def alone(table: Tensor) -> Tensor:
    """The sum over one rank."""
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """The head's verdicts on the steps of a rank's traces, with the outcomes of the traces.

    Where several ranks share a batch, `first` and `total` say which of its traces are here; then `group` is given too.
    """

    logits: Tensor
    """Head outputs (S,)."""
    trace: Tensor
    """Row of the trace that each step belongs to (S,), int64 in [0, B); the steps of one trace stand in their order."""
    correct: Tensor
    """Whether each trace's final answer is right (B,), bool."""
    ended: Tensor
    """Whether each trace ended by itself (B,), bool; one that was cut off is left out."""
    group: Tensor | None = None
    """Problem of each trace (B,), int64 in [0, 2^24), the same number on all ranks; None for a problem of its own each."""
    labels: Tensor | None = None
    """Given label of each step (S,) in [0, 1], NaN for a step without one; None for the trace's outcome."""
    weight: Tensor | None = None
    """Weight of each trace (B,), from `Loss.weights` over a whole batch of which these traces are but a part."""
    first: int = 0
    """Place of the first of these traces in the batch of all ranks."""
    total: int | None = None
    """Traces in the batch of all ranks; None where these are all."""

    @property
    def targets(self) -> Tensor:
        """What each step is taught (S,): its label where labels are given, else its trace's outcome, as 0 or 1."""
        return (self.correct[self.trace] if self.labels is None else self.labels).to(wide(self.logits))


def wide(values: Tensor) -> torch.dtype:
    """The type to compute in: that of `values`, at least float32."""
    return torch.promote_types(values.dtype, torch.float32)


def last_steps(graded: Graded) -> Graded:
    """The last step of each trace alone."""
    places = torch.arange(len(graded.trace), device=graded.trace.device)  # (S,)
    last = places.new_full((len(graded.correct),), -1).scatter_reduce(0, graded.trace, places, "amax")  # (B,)
    chosen = last[last >= 0]
    labels = None if graded.labels is None else graded.labels[chosen]
    return replace(graded, logits=graded.logits[chosen], trace=graded.trace[chosen], labels=labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What a loss needs to know of each trace. A step's class is right where its target is above 1/2."""

    correct: Tensor
    """(N,), bool."""
    ended: Tensor
    """(N,), bool."""
    group: Tensor
    """Problem (N,), int64."""
    weight: Tensor
    """Given weight (N,); 0 where none was given."""
    graded: Tensor
    """Number of graded steps (N,)."""
    score: Tensor
    """Log of the trajectory score (N,): the mean of log sigmoid(logit); its gradient reaches the kept steps alone."""
    steps: Tensor
    """Number of steps with a label, by class (N, 2)."""
    kept: Tensor
    """Of these, the number that is kept, by class (N, 2)."""
    errors: Tensor
    """Summed cross-entropies of the kept steps, by class (N, 2)."""
    all_errors: Tensor
    """Summed cross-entropies of all steps with a label, by class (N, 2)."""

    @property
    def counted(self) -> Tensor:
        """Whether a trace enters the loss (N,): it ended by itself and has a step with a label."""
        return self.ended & (self.steps.sum(1) > 0)

    @property
    def scored(self) -> Tensor:
        """Whether a trace's score is compared with others' (N,): it ended by itself and has a step."""
        return self.ended & (self.graded > 0)

    @property
    def unfiltered(self) -> Traces:
        """The same with every step kept."""
        return replace(self, kept=self.steps, errors=self.all_errors)


def tabulate(graded: Graded, keep: Keep) -> Traces:
    """The rows of a rank's own traces (N = B)."""
    logits, targets = graded.logits.to(wide(graded.logits)), graded.targets
    known = ~targets.isnan()
    targets = targets.nan_to_num()
    kept = keep(logits.detach(), targets) * known  # (S,)
    errors = F.binary_cross_entropy_with_logits(logits, targets, reduction="none") * known  # (S,)
    scores = F.logsigmoid(logits)  # (S,)
    scores = kept * scores + (1 - kept) * scores.detach()
    rows = len(graded.correct)
    counts, sums = _add(torch.stack([torch.ones_like(scores), scores], dim=1), graded.trace, rows).unbind(1)  # (B,) each
    measures = torch.stack([known.to(kept.dtype), kept, kept * errors, errors], dim=1)  # (S, 4)
    by_class = _add(measures, 2 * graded.trace + (targets > 0.5), 2 * rows).view(rows, 2, 4)
    steps, kept, errors, all_errors = by_class.unbind(2)  # (B, 2) each
    return Traces(
        correct=graded.correct,
        ended=graded.ended,
        group=_groups(graded),
        weight=torch.zeros_like(counts) if graded.weight is None else graded.weight.to(counts.dtype),
        graded=counts,
        score=sums / counts.clamp(min=1),
        steps=steps,
        kept=kept,
        errors=errors,
        all_errors=all_errors,
    )


def _add(values: Tensor, rows: Tensor, count: int) -> Tensor:
    """Sums of the rows of `values` (S, K) that share a place in `rows` (S,): (count, K)."""
    return values.new_zeros(count, values.shape[1]).index_add(0, rows, values)


def _groups(graded: Graded) -> Tensor:
    if graded.group is None:
        return graded.first + torch.arange(len(graded.correct), device=graded.correct.device)
    return graded.group


def join(own: Traces, first: int, total: int | None, reduce: Reduce) -> tuple[Traces, int]:
    """The traces of all ranks, of which `own` begin at place `first` of `total`; and the number of ranks.

    Raises `OptionError`, on every rank, where two of them claim one place of the batch.
    """
    table = _pack(own)  # (B, K)
    last = first + len(table)
    whole = table.new_zeros(last if total is None else total, table.shape[1] + 1)  # (N, K + 1): the last column counts ranks
    whole[first:last] = F.pad(table.detach(), (0, 1), value=1.0)
    summed = reduce(torch.cat([whole.flatten(), whole.new_ones(1)]))
    whole = summed[:-1].view_as(whole)
    if (whole[:, -1] > 1).any():
        raise OptionError("Two ranks hold one place of the batch: give Graded.first and Graded.total on every rank.")
    rows = torch.cat([whole[:first, :-1], table, whole[last:, :-1]])
    return _unpack(rows), round(summed[-1].item())


def _pack(traces: Traces) -> Tensor:
    """(N, 14)."""
    t = traces
    single = torch.stack([column.to(t.score.dtype) for column in (t.correct, t.ended, t.group, t.weight, t.graded, t.score)], 1)
    return torch.cat([single, t.steps, t.kept, t.errors, t.all_errors], dim=1)


def _unpack(table: Tensor) -> Traces:
    correct, ended, group, weight, graded, score = table[:, :6].unbind(1)
    steps, kept, errors, all_errors = table[:, 6:].unflatten(1, (4, 2)).unbind(1)
    return Traces(
        correct=correct > 0.5,
        ended=ended > 0.5,
        group=group.long(),
        weight=weight,
        graded=graded,
        score=score,
        steps=steps,
        kept=kept,
        errors=errors,
        all_errors=all_errors,
    )
