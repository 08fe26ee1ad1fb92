"""Linear layers in eight bits, for CPUs: about three times as fast as float32 where a CPU multiplies bytes (x86's VNNI).

Weights are rounded once, each output on a scale of its own; what a layer is fed is rounded anew in each pass, each row on
a scale of its own. So one row's large values, such as the massive activations of a first token, cost no other row anything,
and a row's result does not depend on the rows beside it. Symmetric, no calibration: with q(x) = round(127 x / max|x|),

    y[r, o] = (q(x[r]) . q(w[o])) (max|x[r]| / 127) (max|w[o]| / 127) + bias[o]

as in Dettmers et al. 2022, arXiv 2208.07339, section 2.1 (vector-wise quantisation), without their float16 outliers.
Everything between the linear layers, the cache and the head stay in float32, and so do experts that are no `nn.Linear`.
torchao has the same arithmetic, but without compilation it is slower than float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from reflectgen.errors import ModelError
from reflectgen.model.fingerprint import KNOWN, fingerprint

INT8 = "int8"
"""The precision's name."""
LARGEST = 127
TINIEST = torch.finfo(torch.float32).tiny
CACHED, NARROWEST = 2**17, 1024
"""Products that a core's cache holds until they are scaled, and the fewest outputs that are computed at once."""


class Int8Linear(nn.Module):
    """A linear layer: (..., I) -> (..., O), float32 in and out."""

    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        weight, scale = quantise_rows(linear.weight.detach().float())
        self.weight = nn.Parameter(weight, requires_grad=False)  # (O, I)
        self.register_buffer("scale", scale.squeeze(1), persistent=False)  # (O,)
        self.bias = linear.bias

    def forward(self, inputs: Tensor) -> Tensor:
        rows, scale = quantise_rows(inputs.reshape(-1, self.in_features))
        outputs = inputs.new_empty(len(rows), self.out_features)
        width = max(NARROWEST, CACHED // max(1, len(rows)))
        for part, weight, by in zip(outputs.split(width, 1), self.weight.split(width), self.scale.split(width), strict=True):
            part.copy_(torch._int_mm(rows, weight.t())).mul_(by).mul_(scale)
        if self.bias is not None:
            outputs += self.bias
        return outputs.view(*inputs.shape[:-1], self.out_features)


def quantise_rows(values: Tensor) -> tuple[Tensor, Tensor]:
    """(R, I) in float32 -> bytes (R, I) and the scales (R, 1) that they are to be multiplied with."""
    scale = values.abs().amax(dim=1, keepdim=True).clamp_min(TINIEST * LARGEST) / LARGEST
    return (values / scale).round_().to(torch.int8), scale


@torch.no_grad()
def quantise(backbone: Any) -> None:
    """Put eight-bit layers in the place of a float32 backbone's `nn.Linear` layers; it keeps its fingerprint.

    Raises `ModelError` for a backbone that is not on a CPU or has no such layer.
    """
    linears = [(name, module) for name, module in backbone.named_modules() if isinstance(module, nn.Linear)]
    if backbone.device.type != "cpu":
        raise ModelError("The dtype int8 is for CPUs: use bfloat16 on an accelerator.")
    if not linears:
        raise ModelError(f"{type(backbone).__name__} has no linear layers to put in eight bits: use float32 or bfloat16.")
    setattr(backbone, KNOWN, fingerprint(backbone))
    for name, module in linears:
        backbone.set_submodule(name, Int8Linear(module))


def is_quantised(backbone: nn.Module) -> bool:
    """Whether linear layers of the backbone are in eight bits."""
    return any(isinstance(module, Int8Linear) for module in backbone.modules())


def precision(backbone: Any) -> str:
    """What the backbone computes in: a name of `reflectgen.model.placement.DTYPES`."""
    return INT8 if is_quantised(backbone) else str(backbone.dtype).removeprefix("torch.")
