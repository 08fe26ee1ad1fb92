"""Muon for matrices and AdamW for everything else, as one optimizer.

Sources: Muon, Keller Jordan et al., 2024 (kellerjordan.github.io/posts/muon): the momentum of a matrix is replaced by
the nearest semi-orthogonal matrix, found by five Newton-Schulz steps with the coefficients (3.4445, -4.7750, 2.0315);
Nesterov momentum 0.95; updates scaled by sqrt(max(1, rows / columns)). AdamW: Loshchilov and Hutter, arXiv 1711.05101.

Deviation: Newton-Schulz runs in fp32 rather than bf16, which is faster on a CPU, and over all matrices of one shape at
once. One optimizer rather than two, so that schedules and checkpoints of any trainer cover both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonalize(matrices: Tensor) -> Tensor:
    """Replace the singular values of each matrix by values near 1 (within about 0.3): (N, R, C) -> (N, R, C)."""
    a, b, c = NEWTON_SCHULZ
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    x = wide / (wide.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if matrices.shape[1] <= matrices.shape[2] else x.mT


class MuonAdamW(torch.optim.Optimizer):
    """Groups with `muon=True` hold matrices and are updated by Muon, the others by AdamW."""

    def __init__(self, groups: Iterable[dict[str, Any]], *, momentum: float = 0.95, betas: tuple[float, float] = (0.9, 0.98)):
        """Each group gives `params`, `lr`, `muon` and optionally `weight_decay`."""
        super().__init__(groups, {"weight_decay": 0.0, "momentum": momentum, "betas": betas, "eps": 1e-8})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            (self._muon if group["muon"] else self._adamw)(parameters, group)
        return loss

    def _muon(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        shapes: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        for parameter in parameters:
            shapes[parameter.shape].append(parameter)
        for (rows, columns), alike in shapes.items():
            updates = orthogonalize(torch.stack([self._momentum(parameter, group["momentum"]) for parameter in alike]))
            for parameter, update in zip(alike, updates, strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-group["lr"] * max(1, rows / columns) ** 0.5)

    def _momentum(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        """The Nesterov momentum of a parameter's gradient."""
        assert parameter.grad is not None
        state = self.state[parameter]
        average: Tensor = state.setdefault("momentum", torch.zeros_like(parameter))
        average.lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(average, momentum)

    def _adamw(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        fast, slow = group["betas"]
        for parameter in parameters:
            assert parameter.grad is not None
            state = self.state[parameter]
            if not state:
                state.update(step=0, mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter))
            state["step"] += 1
            state["mean"].lerp_(parameter.grad, 1 - fast)
            state["square"].mul_(slow).addcmul_(parameter.grad, parameter.grad, value=1 - slow)
            spread = (state["square"] / (1 - slow ** state["step"])).sqrt_().add_(group["eps"])
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.addcdiv_(state["mean"], spread, value=-group["lr"] / (1 - fast ** state["step"]))
