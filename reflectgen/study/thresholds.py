"""The paper's loss with another threshold in its dynamic weight, for the rows that vary it.

A step of a right trace is kept where its score is above the threshold, one of a wrong trace where it is below; the paper's
threshold is 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reflectgen.train.loss import LOSSES, Loss


@dataclass(frozen=True, slots=True)
class AgreeingAt:
    """The dynamic weight with a threshold."""

    threshold: float
    """In (0, 1)."""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """1 where the head's verdict agrees with the target, else 0: (S,), (S,) -> (S,)."""
        bar = math.log(self.threshold / (1 - self.threshold))
        return torch.where(targets > 0.5, logits > bar, logits < bar).to(logits.dtype)


def at(threshold: float) -> Loss:
    """The loss `paper` with that threshold."""
    return replace(LOSSES["paper"], keep=AgreeingAt(threshold))


AT_30, AT_40, AT_60, AT_70 = at(0.3), at(0.4), at(0.6), at(0.7)

NAMES = {
    0.3: f"{__name__}:AT_30",
    0.4: f"{__name__}:AT_40",
    0.5: "paper",
    0.6: f"{__name__}:AT_60",
    0.7: f"{__name__}:AT_70",
}
"""Threshold -> name of the loss, as a configuration has it."""
