"""The SPRM head: one state of the backbone in, one logit out.

Source: arXiv 2507.01951: Linear(d, 2d) -> ReLU -> Dropout(0.5) -> Linear(2d, 1), then a sigmoid; the sigmoid is left to
the caller, since losses and numerical comparison want the logit. Parameters at d = 1536 / 3584 / 5120:
4,724,737 / 25,704,449 / 52,449,281. Width and activation are configuration, so that foreign heads are this class too.

Deviation: the output is divided by the configuration's temperature, which is 1 until the head is calibrated. The logit is
the calibrated one everywhere, in training too, so that a head is one function whatever is done with it.

Shapes: B rows, T tokens, D the backbone's width.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from reflectgen.config import HeadConfig

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


class SPRMHead(nn.Module):
    """Grades steps: features (..., D) -> logits (...), in fp32 whatever the backbone's dtype."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        self.up = nn.Linear(config.hidden_size, config.width, dtype=torch.float32)
        self.activation = ACTIVATIONS[config.activation]()
        self.dropout = nn.Dropout(config.dropout)
        self.down = nn.Linear(config.width, 1, dtype=torch.float32)

    def forward(self, features: Tensor) -> Tensor:
        """Logits of the steps whose states are `features`: (..., D) -> (...)."""
        hidden = self.activation(self.up(features.float()))  # (..., W)
        logits: Tensor = self.down(self.dropout(hidden))  # (..., 1)
        return logits.squeeze(-1) / self.config.temperature

    def beside(self, backbone: PreTrainedModel) -> Self:
        """This head on the backbone's device; it stays where it is beside weights that are nowhere (torch's meta device)."""
        return self if backbone.device.type == "meta" else self.to(backbone.device)
