"""Attention over cache slots, registered with transformers so that no model's forward is rewritten.

Grouped-query attention as a batched product over (row, KV head): the queries of a KV head's group lie side by side, so
keys and values are never repeated. Softmax in fp32.

Shapes: R rows, H query heads, G KV heads, Q new tokens, C columns of the cache in use, D head width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.masking_utils import AttentionMaskInterface, eager_mask
from transformers.modeling_utils import AttentionInterface

NAME = "slots"


def slot_attention(
    module: nn.Module,
    query: Tensor,  # (R, H, Q, D)
    key: Tensor,  # (R, G, C, D)
    value: Tensor,  # (R, G, C, D)
    attention_mask: Tensor | None,  # (R, 1, Q, C), additive
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """What transformers asks of an attention function: the heads' output (R, Q, H, D), and no weights."""
    rows, heads, new, width = query.shape
    groups = key.shape[1]
    grouped = query.reshape(rows, groups, heads // groups * new, width)
    scores = torch.matmul(grouped, key.transpose(-1, -2)) * (scaling if scaling is not None else width**-0.5)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    scores = scores.view(rows, groups, heads // groups, new, -1)
    if attention_mask is not None:
        scores = scores + attention_mask[:, :, None, :, : scores.shape[-1]]
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    if dropout and module.training:
        weights = nn.functional.dropout(weights, dropout)
    output = torch.matmul(weights.view(rows, groups, heads // groups * new, -1), value)
    return output.view(rows, heads, new, width).transpose(1, 2), None


def register() -> str:
    """Make the function known to transformers; return the name to load a model with."""
    AttentionInterface.register(NAME, slot_attention)
    AttentionMaskInterface.register(NAME, eager_mask)
    return NAME


class MaskBuilder:
    """The additive masks of a pass, in the form that a model wants: one tensor, or one per kind of layer.

    A sliding window is written into the mask; the cache keeps every column.
    """

    KINDS = frozenset({"full_attention", "sliding_attention"})

    def __init__(self, config: Any, dtype: torch.dtype) -> None:
        kinds = set(getattr(config, "layer_types", None) or [])
        window = getattr(config, "sliding_window", None)
        if not kinds:
            kinds = {"sliding_attention" if window else "full_attention"}
        self.unsupported = sorted(kinds - self.KINDS)
        """Kinds of layer that slots cannot serve."""
        self.window = window if "sliding_attention" in kinds else None
        self.kinds = sorted(kinds)
        self.dtype = dtype

    def __call__(self, positions: Tensor, used: int) -> Tensor | dict[str, Tensor]:
        """Masks for new tokens at `positions` (R, Q) over the first `used` columns: each (R, 1, Q, C)."""
        columns = torch.arange(used, device=positions.device)
        at = positions[:, None, :, None]  # (R, 1, Q, 1)
        visible = {"full_attention": columns <= at}
        if self.window is not None:
            visible["sliding_attention"] = visible["full_attention"] & (columns > at - self.window)
        masks = {kind: self._additive(visible[kind]) for kind in self.kinds}
        return masks if len(masks) > 1 else next(iter(masks.values()))

    def _additive(self, visible: Tensor) -> Tensor:
        blocked = torch.finfo(self.dtype).min
        return torch.zeros(visible.shape, dtype=self.dtype, device=visible.device).masked_fill_(~visible, blocked)
