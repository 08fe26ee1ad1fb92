"""What vLLM must be told of a head, and which models can carry one: the part of the plug-in that needs no vLLM."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from reflectgen.config import HeadConfig
from reflectgen.errors import ModelError

HEAD_KEY = "sprm_head"
"""Name in the model's configuration, through vLLM's `--hf-overrides`, of the folder that holds the head."""
NO_HEAD = ""
"""What stands there for no head: our class then only leaves the head's file alone."""
SPRM_TENSORS = frozenset({"up.weight", "up.bias", "down.weight", "down.bias"})
"""What a head's own file holds, among the model's where it lies beside them: vLLM reads every file of weights in a folder."""
REPLAY = "sprm_replay"
"""Name among a request's extra arguments of the ids that it draws first: what is written of the step that it reads."""
POOLS = "sprm_pools"
"""Name in vLLM's configuration of what knows the steps in the works, where a head reads whole ones."""
PROCESSOR = "reflectgen.engine.vllm.pooling:Pools"
"""Its class, as vLLM's `logits_processors` want it."""
FIRST_RUNNER = {"VLLM_USE_V2_MODEL_RUNNER": "0"}
"""Environment in which vLLM tells such a class of its rows before it asks for their logits."""
PREFIX = "Reflective"
"""What our classes are called beside vLLM's own."""
ARCHITECTURES = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
)
"""vLLM's classes that hand out the state of any block and can thus carry a head."""


def processors(config: HeadConfig) -> list[str]:
    """vLLM's `logits_processors` for a head: one where it reads whole steps, whose environment is set as well."""
    if config.pool == "token":
        return []
    for variable, value in FIRST_RUNNER.items():
        os.environ.setdefault(variable, value)
    return [PROCESSOR]


def overrides(architecture: str, head: str) -> dict[str, Any]:
    """vLLM's `hf_overrides` for a model of that class with the head in the folder `head`; raises for an unknown class."""
    if architecture not in ARCHITECTURES:
        raise ModelError(
            f"vLLM cannot put a head on {architecture}: it can on {', '.join(ARCHITECTURES)}. Use the engine local."
        )
    return {"architectures": [PREFIX + architecture], HEAD_KEY: head}


def holds_head(told: object) -> bool:
    """Whether a vLLM whose `hf_overrides` are `told` holds a head."""
    if not isinstance(told, Mapping):
        return False
    classes = told.get("architectures") or ()
    return any(str(name).startswith(PREFIX) for name in classes) and told.get(HEAD_KEY) != NO_HEAD
