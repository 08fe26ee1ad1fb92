"""Right and wrong traces of one problem side by side: their pairs, means over problems, and how well scores order them.

Shapes: N traces, P pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor


def pairs(correct: Tensor, counted: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
    """Every right trace with every wrong one of its problem: three times (N,) -> rows of the right and the wrong, (P,) each.

    `correct` and `counted` are bool, and only what counts is paired; `group` is the problem of each trace, int64.
    """
    right, wrong = (counted & correct).nonzero().squeeze(1), (counted & ~correct).nonzero().squeeze(1)
    wrong = wrong[group[wrong].argsort(stable=True)]
    low = torch.searchsorted(group[wrong], group[right])
    counts = torch.searchsorted(group[wrong], group[right], right=True) - low  # wrong traces that each right one meets
    begins = (low - (counts.cumsum(0) - counts)).repeat_interleave(counts)  # (P,)
    return right.repeat_interleave(counts), wrong[begins + torch.arange(len(begins), device=begins.device)]


def mean_over_problems(values: Tensor, group: Tensor) -> Tensor:
    """Mean over problems of the mean over each problem's `values`: (P,), problem of each (P,) -> scalar; 0 where P = 0."""
    _, problem, sizes = group.unique(return_inverse=True, return_counts=True)
    return (values / sizes[problem]).sum() / max(1, len(sizes))


def auc(scores: Tensor, positive: Tensor) -> Tensor:
    """Chance that a positive scores above a negative, ties counted half: (N,), (N,) bool -> scalar; NaN for one class."""
    negatives = scores[~positive].sort().values
    chosen = scores[positive].contiguous()
    below, reached = torch.searchsorted(negatives, chosen), torch.searchsorted(negatives, chosen, right=True)
    return (below + reached).to(scores.dtype).mean() / (2 * len(negatives)) if len(negatives) else scores.new_tensor(torch.nan)


def auc_within(scores: Tensor, correct: Tensor, counted: Tensor, group: Tensor) -> Tensor:
    """Mean AUC within problems that have right and wrong traces: four times (N,) -> scalar; NaN where there is none."""
    right, wrong = pairs(correct, counted, group)
    if not len(right):
        return scores.new_tensor(torch.nan)
    margins = scores[right] - scores[wrong]
    return mean_over_problems((margins > 0).to(scores.dtype) + 0.5 * (margins == 0), group[right])
