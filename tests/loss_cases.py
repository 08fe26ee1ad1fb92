"""Batches of graded steps, and every loss written out naively: one trace, one step, one pair at a time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from reflectgen.train.graded import Graded

NAN = math.nan


@dataclass(frozen=True)
class Trace:
    """One trace of a batch; `labels` are those of its steps where they are given."""

    steps: tuple[float, ...]
    correct: bool
    ended: bool = True
    group: int = 0
    labels: tuple[float, ...] | None = None


def batch(
    traces: Sequence[Trace],
    *,
    first: int = 0,
    total: int | None = None,
    dtype: torch.dtype = torch.float64,
    labelled: bool | None = None,
) -> Graded:
    """As tensors; logits are a leaf that wants its gradient. With labels where a trace has some, or where it is `labelled`."""
    labels = [label for trace in traces for label in trace.labels or ()]
    given = any(trace.labels is not None for trace in traces) if labelled is None else labelled
    return Graded(
        logits=torch.tensor([step for trace in traces for step in trace.steps], dtype=dtype, requires_grad=True),
        trace=torch.tensor([row for row, trace in enumerate(traces) for _ in trace.steps], dtype=torch.int64),
        correct=torch.tensor([trace.correct for trace in traces], dtype=torch.bool),
        ended=torch.tensor([trace.ended for trace in traces], dtype=torch.bool),
        group=torch.tensor([trace.group for trace in traces], dtype=torch.int64),
        labels=torch.tensor(labels, dtype=dtype) if given else None,
        first=first,
        total=total,
    )


# -- the naive losses --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Steps:
    """A trace that counts: its steps as scalars, with what each is taught."""

    logits: list[Tensor]
    targets: list[float]
    all_logits: list[Tensor]
    trace: Trace


def naive(name: str, traces: Sequence[Trace], logits: Tensor) -> Tensor:
    """The loss `name` of `traces`, whose steps' logits are `logits` (S,), step by step."""
    base = name.removesuffix("_paper")
    filtered = name.endswith("paper") or name == "official"
    counted = _counted(traces, logits, last_only=name.endswith("orm"))
    return NAIVE.get(base, _plain)(counted, filtered) + 0 * logits.sum()


def _counted(traces: Sequence[Trace], logits: Tensor, last_only: bool) -> list[Steps]:
    counted, at = [], 0
    for trace in traces:
        own = [logits[at + index] for index in range(len(trace.steps))]
        at += len(own)
        targets = list(trace.labels) if trace.labels is not None else [float(trace.correct)] * len(own)
        if last_only:
            own, targets = own[-1:], targets[-1:]
        known = [index for index, target in enumerate(targets) if not math.isnan(target)]
        if trace.ended and known:
            counted.append(Steps([own[index] for index in known], [targets[index] for index in known], own, trace))
    return counted


def _error(logit: Tensor, target: float) -> Tensor:
    score = 1 / (1 + torch.exp(-logit))
    return -target * torch.log(score) - (1 - target) * torch.log(1 - score)


def _agrees(logit: Tensor, target: float) -> bool:
    return logit.item() > 0 if target > 0.5 else logit.item() < 0


def _of_trace(steps: Steps, filtered: bool) -> Tensor | float:
    pairs = zip(steps.logits, steps.targets, strict=True)
    kept = [_error(logit, target) for logit, target in pairs if not filtered or _agrees(logit, target)]
    return sum(kept) / len(steps.logits)


def _plain(counted: list[Steps], filtered: bool) -> Tensor | float:
    return sum(_of_trace(steps, filtered) for steps in counted) / max(1, len(counted))


def _even(counted: list[Steps], filtered: bool) -> Tensor | float:
    total, right = len(counted), sum(steps.trace.correct for steps in counted)
    weight = {True: (total + 2) / (2 * (right + 1)), False: (total + 2) / (2 * (total - right + 1))}
    return sum(weight[steps.trace.correct] * _of_trace(steps, filtered) for steps in counted) / max(1, total)


def _official(counted: list[Steps], filtered: bool) -> Tensor | float:
    pairs = [(a, b) for steps in counted for a, b in zip(steps.logits, steps.targets, strict=True) if _agrees(a, b)]
    pos, neg = 1 + sum(target > 0.5 for _, target in pairs), 1 + sum(target <= 0.5 for _, target in pairs)
    weights = [1.5 * neg / (pos + neg) if target > 0.5 else pos / (pos + neg) for _, target in pairs]
    errors = [weight * _error(*pair) for weight, pair in zip(weights, pairs, strict=True)]
    return sum(errors) / (sum(weights) + 1e-5)


def _mixed(counted: list[Steps]) -> list[tuple[list[Steps], list[Steps]]]:
    problems: dict[int, tuple[list[Steps], list[Steps]]] = defaultdict(lambda: ([], []))
    for steps in counted:
        problems[steps.trace.group][0 if steps.trace.correct else 1].append(steps)
    return [halves for halves in problems.values() if halves[0] and halves[1]]


def _group(counted: list[Steps], filtered: bool) -> Tensor | float:
    mixed = _mixed(counted)
    means = [sum(_of_trace(steps, filtered) for steps in half) / len(half) for halves in mixed for half in halves]
    return sum(means) / max(1, len(means))


def _score(steps: Steps, filtered: bool) -> Tensor:
    """Log of the geometric mean; with the filter only steps that agree have a gradient."""
    trace = steps.trace
    targets = trace.labels if trace.labels is not None else [float(trace.correct)] * len(steps.all_logits)
    logs = [-torch.log(1 + torch.exp(-logit)) for logit in steps.all_logits]
    keeps = [not math.isnan(t) and (not filtered or _agrees(a, t)) for a, t in zip(steps.all_logits, targets, strict=True)]
    return torch.stack([log if keep else log.detach() for log, keep in zip(logs, keeps, strict=True)]).mean()


def _pairwise(counted: list[Steps], filtered: bool) -> Tensor | float:
    means = []
    for right, wrong in _mixed(counted):
        margins = [_score(good, filtered) - _score(bad, filtered) for good, bad in product(right, wrong)]
        means.append(sum(-torch.log(1 / (1 + torch.exp(-margin))) for margin in margins) / len(margins))
    return sum(means) / max(1, len(means))


NAIVE: dict[str, Callable[[list[Steps], bool], Tensor | float]] = {
    "even": _even,
    "official": _official,
    "group": _group,
    "group_orm": _group,
    "pairwise": _pairwise,
}


# -- two ranks ---------------------------------------------------------------------------------------------------------

LABELS = ((1.0, 0.25), (0.0,), (0.5, NAN, 1.0), (), (1.0,), (0.75, 0.0))
WHOLE = tuple(
    replace(trace, labels=labels)
    for trace, labels in zip(
        (
            Trace((0.3, -1.2), True, group=0),
            Trace((-0.7,), False, group=0),
            Trace((2.0, 0.1, -0.4), False, group=1),
            Trace((), True, group=1),
            Trace((1.1,), True, group=1),
            Trace((0.9, -2.0), False, ended=False, group=0),
        ),
        LABELS,
        strict=True,
    )
)
"""Six traces of two problems, which lie across any cut; one has no step, one was cut off."""
NO_STEPS = tuple(replace(trace, steps=(), labels=()) for trace in WHOLE[:3]) + WHOLE[3:]
"""The same where the first three traces have no step."""


def plain(traces: Sequence[Trace], labelled: bool) -> list[Trace]:
    """The traces with their labels, or without any."""
    return list(traces) if labelled else [replace(trace, labels=None) for trace in traces]


def values(metrics: dict[str, Tensor]) -> dict[str, float]:
    """Metrics as numbers, those that a batch does not define left out."""
    return {name: round(value.item(), 4) for name, value in metrics.items() if not math.isnan(value.item())}
