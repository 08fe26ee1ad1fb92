"""Tiny random models of many architectures, made in memory: what every test of a real backbone runs on.

`config(name)` gives a fresh configuration, `backbone(name)` a causal LM with weights that depend on the name's seed alone.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
import transformers as hf
from transformers import AutoModelForCausalLM, PreTrainedModel

from reflectgen.config import HeadConfig
from reflectgen.model.head import SPRMHead

VOCABULARY = 97
WIDTH = 64
BLOCKS = 4
WINDOW = 8

BASE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED: dict[str, Any] = {**BASE, "num_key_value_heads": 2}
MIXED_LAYERS: dict[str, Any] = {
    "head_dim": 16,
    "sliding_window": WINDOW,
    "layer_types": ["sliding_attention", "full_attention"] * (BLOCKS // 2),
}

CONFIGS: dict[str, hf.PretrainedConfig] = {
    "qwen2": hf.Qwen2Config(**GROUPED),
    "qwen3": hf.Qwen3Config(**GROUPED, head_dim=16),
    "llama": hf.LlamaConfig(**GROUPED, tie_word_embeddings=True),
    "mistral": hf.MistralConfig(**GROUPED, sliding_window=WINDOW),
    "gemma2": hf.Gemma2Config(**GROUPED, **MIXED_LAYERS, attn_logit_softcapping=5.0, final_logit_softcapping=3.0),
    "gemma3": hf.Gemma3TextConfig(**GROUPED, **MIXED_LAYERS),
    "gpt_neox": hf.GPTNeoXConfig(**BASE),
    "phi": hf.PhiConfig(**GROUPED),
    "mixtral": hf.MixtralConfig(**GROUPED, num_local_experts=4, num_experts_per_tok=2),
}
"""Name -> configuration. Sliding windows: mistral (all blocks), gemma2 and gemma3 (every other); soft caps: gemma2."""


def config(name: str) -> hf.PretrainedConfig:
    """A copy of a configuration, since transformers writes into the one it is given."""
    return deepcopy(CONFIGS[name])


def backbone(name: str, *, seed: int = 0, attn_implementation: str | None = None) -> PreTrainedModel:
    """The causal LM of that name in fp32 and evaluation mode; equal seeds give equal weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config(name), attn_implementation=attn_implementation)
    return model.eval()


def head(*, seed: int = 0, **settings: Any) -> SPRMHead:
    """A random head for these backbones in evaluation mode; `settings` are fields of `HeadConfig`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = SPRMHead(HeadConfig(**{"hidden_size": WIDTH, **settings}))
    return module.eval()


def token_ids(rows: int, length: int, *, seed: int = 0) -> torch.Tensor:
    """Random ordinary token ids (rows, length): no padding, begin or end among them."""
    return torch.randint(3, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(seed))
