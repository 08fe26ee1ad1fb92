"""vLLM's own model classes with an SPRM head: stock, by one mix-in that lies over whichever class has the seams.

What it relies on, and what a new vLLM may move, is listed in `SEAMS` and tested one by one:

- `set_aux_hidden_state_layers((i,))` makes the backbone return, beside its final states, the state that enters block i:
  `hidden_states[i]` in transformers' terms, residual added. So layer -2 is i = L - 1, and layer -1 before the norm is i = L.
- The runner takes whatever `forward` returns, picks the rows to draw from, and hands them to `compute_logits`. So `forward`
  returns both states side by side and `compute_logits` parts them. Rows of the prompt that draw nothing cost no head.
- Nothing runs in Python between the two: prefix caching, chunked prefill, LoRA, tensor parallelism and CUDA graphs see a model
  like any other. Nothing depends on what is in the batch, either, unless a head reads whole steps: then `compute_logits`
  asks which row belongs to which (`reflectgen.engine.vllm.pooling`).

With pipeline parallelism the head lives on the last rank; the block whose state it reads must follow another one there.

Shapes: N tokens of a batch, R rows to draw from, D the backbone's width, V its vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from vllm.distributed import get_pp_group
from vllm.model_executor.models.registry import ModelRegistry

from reflectgen.config import HeadConfig
from reflectgen.engine.vllm.channel import CONFIDENCE_K, DEPTH, REACH, Channel, reserve
from reflectgen.engine.vllm.heads import HEAD_KEY, NO_HEAD, POOLS, PREFIX, PROCESSOR, SPRM_TENSORS
from reflectgen.engine.vllm.pooling import Pools
from reflectgen.errors import ModelError
from reflectgen.model.checkpoint import load_head
from reflectgen.model.head import SPRMHead
from reflectgen.model.tokenizer import load_tokenizer

AUX_KEY = "sprm_aux_layers"
"""Name in the model's configuration of the states that the backbone returns: part of what vLLM keys compiled graphs by."""
SEAMS = ("forward", "compute_logits", "load_weights", "set_aux_hidden_state_layers")
"""Methods of a vLLM model that the mix-in lies over or calls."""


class Reflective:
    """The mix-in: a vLLM causal language model whose logits say how its steps are graded (`reflectgen.engine.vllm.channel`)."""

    sprm_head: SPRMHead | None
    """None on all pipeline ranks but the last, and where a folder with a head is to be run without it."""
    channel: Channel
    pools: Pools | None
    """What knows the steps in the works; None where no request is graded by whole steps."""

    def __init__(self, *, vllm_config: Any, prefix: str = "") -> None:
        super().__init__(vllm_config=vllm_config, prefix=prefix)  # type: ignore[call-arg]
        self._refuse(vllm_config)
        self.sprm_head = None
        self.pools = getattr(vllm_config, POOLS, None)
        model_config = vllm_config.model_config
        config = model_config.hf_text_config
        place = getattr(model_config.hf_config, HEAD_KEY, model_config.model)
        if place == NO_HEAD or not get_pp_group().is_last_rank:
            return
        parameter = next(self.parameters())  # type: ignore[attr-defined]
        self.sprm_head = load_head(place).head.eval().to(parameter.device)
        self._check(self.sprm_head.config, config.hidden_size)
        self.channel = reserve(load_tokenizer(model_config.tokenizer), config.vocab_size)
        self._tap(self.sprm_head.config, model_config.hf_config, config.num_hidden_layers)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Final states (N, D); on the last rank with the states that the head reads beside them (N, 2 D)."""
        output = super().forward(*args, **kwargs)  # type: ignore[misc]
        if not isinstance(output, tuple):
            return output
        final, [features] = output
        return torch.cat((final, features), dim=-1)

    def compute_logits(self, states: Tensor, *args: Any, **kwargs: Any) -> Tensor | None:
        """Logits (R, V) in fp32 of rows that `forward` returned, what the channel says among them."""
        if self.sprm_head is None:
            return super().compute_logits(states, *args, **kwargs)  # type: ignore[misc]
        final, features = states, states
        width = self.sprm_head.config.hidden_size
        if states.shape[-1] == 2 * width:
            final, features = (part.contiguous() for part in states.split(width, dim=-1))
        logits: Tensor | None = super().compute_logits(final, *args, **kwargs)  # type: ignore[misc]
        return None if logits is None else self._tell(self.sprm_head, logits.float(), features)

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        """The backbone's own, and what training sends later: new ones of the backbone and of the head (`sprm_head.*`).

        At the start the head came from its own file, which may lie among the backbone's; vLLM puts a model into evaluation
        mode once it is loaded.
        """
        state = {f"sprm_head.{name}" for name in SPRM_TENSORS}
        updates = self.sprm_head is not None and not self.training  # type: ignore[attr-defined]
        left_out = SPRM_TENSORS if updates else state | SPRM_TENSORS
        loaded: set[str] = super().load_weights(pair for pair in weights if pair[0] not in left_out)  # type: ignore[misc]
        return loaded | state

    def _tell(self, head: SPRMHead, logits: Tensor, features: Tensor) -> Tensor:
        """Write the channel's three columns into logits (R, V)."""
        score, zero, confidence = self.channel
        for column in self.channel:
            logits[:, column] = -torch.inf
        top = logits.topk(min(CONFIDENCE_K, logits.shape[-1] - len(self.channel)), dim=-1).values  # (R, k)
        base = top[:, 0] - DEPTH
        if head.config.norm and head.config.layer != -1:
            features = self.model.norm(features)  # type: ignore[attr-defined]
        if self.pools is not None:
            features = self.pools.means(features)
        logits[:, score] = base + head(features).clamp(-REACH, REACH)
        logits[:, zero] = base
        logits[:, confidence] = top.mean(dim=-1) - DEPTH
        return logits

    def _tap(self, head: HeadConfig, hf_config: Any, blocks: int) -> None:
        """Let the backbone return the states that the head reads, unless they are the final ones."""
        if head.layer == -1 and head.norm:
            return
        layer = blocks + 1 + head.layer
        first = getattr(self.model, "start_layer", 0)  # type: ignore[attr-defined]
        if layer < 1 or (layer <= first and not get_pp_group().is_first_rank):
            raise ModelError(
                f"The head reads layer {head.layer} of {blocks}, and the last pipeline rank begins with block {first}: "
                "use fewer pipeline ranks."
            )
        setattr(hf_config, AUX_KEY, [layer])
        self.set_aux_hidden_state_layers((layer,))  # type: ignore[attr-defined]

    def _check(self, head: HeadConfig, width: int) -> None:
        if head.pool == "step" and self.pools is None:
            raise ModelError(f"The head reads whole steps: start vLLM with --logits-processors {PROCESSOR}.")
        if head.hidden_size != width:
            raise ModelError(
                f"The head reads states of width {head.hidden_size}, but this backbone's have {width}: it is another model."
            )

    def _refuse(self, vllm_config: Any) -> None:
        if vllm_config.speculative_config is not None:
            raise ModelError("Steps are not graded under speculative decoding: leave --speculative-config out.")
        if getattr(vllm_config.parallel_config, "enable_batch_sharded_sampling", False):
            raise ModelError("Steps are not graded under batch-sharded sampling: leave --enable-batch-sharded-sampling out.")


def reflective(base: type[nn.Module]) -> type[nn.Module]:
    """A vLLM class with a head; raises `ModelError` where `base` lacks a seam."""
    missing = [name for name in SEAMS if not hasattr(base, name)]
    if missing:
        raise ModelError(f"vLLM's {base.__name__} cannot carry a head: it has no {', '.join(missing)}. Use the engine local.")
    return type(PREFIX + base.__name__, (Reflective, base), {"__module__": __name__})


@cache
def _named(name: str) -> type[nn.Module]:
    architecture = name.removeprefix(PREFIX)
    module, base = _location(architecture)
    return reflective(getattr(import_module(module), base))


def _location(architecture: str) -> tuple[str, str]:
    """Module and name of vLLM's own class for an architecture."""
    registered: Any = ModelRegistry.models[architecture]
    return registered.module_name, registered.class_name


def __getattr__(name: str) -> Any:
    if not name.startswith(PREFIX) or name == PREFIX:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _named(name)
