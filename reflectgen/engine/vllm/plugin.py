"""What runs inside vLLM, found by its entry point in the group `vllm.general_plugins`, in every process of vLLM's.

It adds names to vLLM's table of models and changes none: a model carries a head only where `hf_overrides` asks for the
reflective class (`reflectgen.engine.vllm.heads.overrides`).
"""

from __future__ import annotations

from reflectgen.engine.vllm.heads import ARCHITECTURES, PREFIX


def register() -> None:
    """Add the reflective classes. They are made when one is asked for, so this imports no torch."""
    from vllm.model_executor.models.registry import ModelRegistry

    known = ModelRegistry.get_supported_archs()
    for name in ARCHITECTURES:
        if name in known and PREFIX + name not in known:
            ModelRegistry.register_model(PREFIX + name, f"reflectgen.engine.vllm.modeling:{PREFIX}{name}")
