"""Several heads as one: the mean of their logits.

Heads of one hidden layer lie side by side in one wider head, whose last layer takes the mean: with hidden units h_k and
weights w_k, b_k of n heads, (1/n) sum_k (w_k h_k + b_k) = [w_1/n, ..., w_n/n] [h_1; ...; h_n] + mean b_k. So what varies
between seeds is averaged out at the cost of a wider layer, and decoding knows nothing of it.

Shapes: I inputs of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from reflectgen.model.head import SPRMHead


class Averaged(nn.Module):
    """The mean of several modules' logits, (..., I) -> (...)."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(modules)

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., I) -> (...)."""
        return torch.stack([member(inputs) for member in self.members]).mean(dim=0)


def average(modules: Sequence[nn.Module]) -> nn.Module:
    """One module whose logits are the mean of all: a plain `SPRMHead` where all are, the module itself where it is one."""
    if len(modules) == 1:
        return modules[0]
    if not all(isinstance(module, SPRMHead) for module in modules):
        return Averaged(modules).eval()
    return _joined(cast(Sequence[SPRMHead], modules)).eval()


@torch.no_grad()
def _joined(heads: Sequence[SPRMHead]) -> SPRMHead:
    """Heads of one configuration, side by side."""
    config = heads[0].config
    joined = SPRMHead(config.model_copy(update={"width": sum(head.config.width for head in heads)}))
    joined.up.weight.copy_(torch.cat([head.up.weight for head in heads]))
    joined.up.bias.copy_(torch.cat([head.up.bias for head in heads]))
    joined.down.weight.copy_(torch.cat([head.down.weight for head in heads], dim=1) / len(heads))
    joined.down.bias.copy_(torch.stack([head.down.bias for head in heads]).mean(dim=0))
    return joined
