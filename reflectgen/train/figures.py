"""What to watch while head and policy learn together, over all traces between two log lines and all ranks.

The kept-only SPR loss can fall while nothing is learnt: the dynamic weight may drop every hard step, or one class whole. So
these figures look at all steps, at both classes, and at how trace scores tell right from wrong.

    spr_all     SPR loss with w = 1: mean over traces of the mean over a trace's steps
    kept_right  share of the steps of right traces whose verdict is right, which the dynamic weight keeps; and kept_wrong
    gap         mean trace score of right traces less that of wrong ones
    auc         of trace scores, right against wrong; and auc_within, its mean over problems that have both

A figure that the traces do not define (one class only) is left out. Scores are those of the training pass, dropout included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from reflectgen.train.graded import Graded, Reduce
from reflectgen.train.loss import LOSSES


@torch.no_grad()
def figures(own: Sequence[Graded], rank: int, ranks: int, reduce: Reduce) -> dict[str, float]:
    """The figures of the passes `own`, with equally many traces on every rank, and of those of the other ranks.

    `reduce` is called once; without any passes, on all ranks alike, it is not called and there are no figures.
    """
    if not own:
        return {}
    _, metrics = LOSSES["paper"](_combine(own, rank, ranks), reduce)
    values = {name: value.item() for name, value in metrics.items() if name != "spr"}
    return {name: value for name, value in values.items() if not math.isnan(value)}


def _combine(passes: Sequence[Graded], rank: int, ranks: int) -> Graded:
    """All passes as one batch."""
    counts = [len(one.correct) for one in passes]
    firsts = [sum(counts[:index]) for index in range(len(counts))]
    return Graded(
        logits=torch.cat([one.logits for one in passes]),
        trace=torch.cat([one.trace + first for one, first in zip(passes, firsts, strict=True)]),
        correct=torch.cat([one.correct for one in passes]),
        ended=torch.cat([one.ended for one in passes]),
        group=torch.cat([_group(one) for one in passes]),
        first=rank * sum(counts),
        total=ranks * sum(counts),
    )


def _group(graded: Graded) -> torch.Tensor:
    assert graded.group is not None
    return graded.group
