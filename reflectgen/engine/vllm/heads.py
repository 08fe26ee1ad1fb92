"""Which heads vLLM can run, and what it must be told of one: the part of the plug-in that needs no vLLM."""

from __future__ import annotations

from typing import Any

from reflectgen.config import HeadConfig
from reflectgen.errors import ModelError

HEAD_KEY = "sprm_head"
"""Name in the model's configuration, through vLLM's `--hf-overrides`, of the folder that holds the head."""
NO_HEAD = ""
"""What stands there for no head: our class then only leaves the head's file alone."""
SPRM_TENSORS = frozenset({"up.weight", "up.bias", "down.weight", "down.bias"})
"""What a head's own file holds, among the model's where it lies beside them: vLLM reads every file of weights in a folder."""
PREFIX = "Reflective"
"""What our classes are called beside vLLM's own."""
ARCHITECTURES = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
)
"""vLLM's classes that hand out the state of any block and can thus carry a head."""


def check_head(config: HeadConfig) -> None:
    """Raise `ModelError` for a head that vLLM cannot run while it decodes."""
    if config.pool != "token":
        raise ModelError(
            "The head grades the mean of a step's states, of which vLLM keeps only the last: use the engine local, "
            "or a head that reads one token."
        )


def overrides(architecture: str, head: str) -> dict[str, Any]:
    """vLLM's `hf_overrides` for a model of that class with the head in the folder `head`; raises for an unknown class."""
    if architecture not in ARCHITECTURES:
        raise ModelError(
            f"vLLM cannot put a head on {architecture}: it can on {', '.join(ARCHITECTURES)}. Use the engine local."
        )
    return {"architectures": [PREFIX + architecture], HEAD_KEY: head}
