"""Reads the states that the head grades out of the very pass that computes the logits, with a hook on one block.

No second pass, and no `output_hidden_states`, which would keep the states of every block alive.

Shapes: B rows, T tokens, D the backbone's width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from reflectgen.errors import ModelError

FINAL_NORMS = ("norm", "final_layer_norm", "final_layernorm", "final_norm", "ln_f", "norm_f")
"""What transformers' models call the norm between the last block and the LM head."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The parts of a backbone that a tap needs."""

    blocks: nn.ModuleList
    """The transformer blocks, first to last."""
    norm: nn.Module | None
    """The norm after the last block; None where none was recognised."""


def decoder_of(backbone: nn.Module) -> nn.Module:
    """The backbone without its LM head: the module that maps token ids to final-normed states."""
    decoder: nn.Module = backbone.get_decoder() if hasattr(backbone, "get_decoder") else backbone  # type: ignore[operator]
    return decoder


def hidden_size(backbone: nn.Module) -> int:
    """Width D of the backbone's states."""
    return int(_text_config(backbone).hidden_size)


def anatomy(backbone: nn.Module) -> Anatomy:
    """Find the list of blocks and the final norm of any transformers decoder; raises `ModelError` without a list."""
    count = _text_config(backbone).num_hidden_layers
    for module in decoder_of(backbone).modules():
        for child in module.children():
            if isinstance(child, nn.ModuleList) and len(child) == count:
                return Anatomy(child, _final_norm(module))
    raise ModelError(
        f"{type(backbone).__name__} has no list of {count} blocks to read states from: "
        "use a decoder-only transformers model whose blocks are one ModuleList."
    )


def _text_config(backbone: nn.Module) -> Any:
    return backbone.config.get_text_config(decoder=True)  # type: ignore[operator, union-attr]


def _final_norm(owner: nn.Module) -> nn.Module | None:
    """The final norm, which lives beside the list of blocks."""
    children = dict(owner.named_children())
    return next((children[name] for name in FINAL_NORMS if name in children), None)


class FeatureTap:
    """Keeps the output of one block of the latest pass, (B, T, D), with its autograd graph.

    In transformers' terms: layer -2 without the norm is `hidden_states[-2]`, layer -1 with it is `hidden_states[-1]`.
    Under gradient checkpointing use the non-reentrant kind (transformers' default); the reentrant kind runs the block
    without a graph.
    """

    def __init__(self, backbone: nn.Module, layer: int, norm: bool) -> None:
        """Hook block `layer`, counted from the end (-1 is the last); `norm` applies the backbone's final norm.

        Raises `ModelError` where the backbone has no such block, or no final norm that is known by name.
        """
        parts = anatomy(backbone)
        if not -len(parts.blocks) <= layer < 0:
            raise ModelError(f"The head reads layer {layer}, but the backbone has only {len(parts.blocks)} blocks.")
        if norm and parts.norm is None:
            raise ModelError(
                f"The head reads normed states, but the final norm of {type(backbone).__name__} is not known by any of the "
                f"names {', '.join(FINAL_NORMS)}: use a head that reads states before the norm."
            )
        self._norm = parts.norm if norm else None
        self._features: Tensor | None = None
        self._handle = parts.blocks[layer].register_forward_hook(self._keep)

    def _keep(self, block: nn.Module, args: Any, output: Any) -> None:
        states = output[0] if isinstance(output, tuple) else output  # (B, T, D)
        self._features = states if self._norm is None else self._norm(states)

    def take(self) -> Tensor:
        """The features of the latest pass, (B, T, D), which are forgotten here; raises `RuntimeError` without a pass."""
        features, self._features = self._features, None
        if features is None:
            raise RuntimeError("The backbone made no pass since its features were last taken.")
        return features

    def remove(self) -> None:
        """Unhook the backbone."""
        self._handle.remove()
        self._features = None
