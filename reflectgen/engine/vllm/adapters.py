"""A LoRA adapter that vLLM in this process runs every request with. One of a server's is a name (`greeting`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reflectgen.model.adapter import largest_rank

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Largest ranks that vLLM can be told to hold."""


def options(adapter: str | Path) -> dict[str, Any]:
    """vLLM's options for the adapter in a folder; a rank that is too large for all is left to vLLM to refuse."""
    rank = largest_rank(adapter)
    return {"enable_lora": True, "max_lora_rank": next((held for held in RANKS if held >= rank), RANKS[-1])}


def request(adapter: str | Path, largest: int) -> Any:
    """What a request says to be run with it; raises `ValueError` for a kind that vLLM lacks, or a rank above `largest`."""
    from vllm.config.lora import LoRAConfig
    from vllm.lora.peft_helper import PEFTHelper
    from vllm.lora.request import LoRARequest

    folder = Path(adapter).expanduser().resolve()
    PEFTHelper.from_local_dir(str(folder), None).validate_legal(LoRAConfig(max_lora_rank=largest))
    return LoRARequest(folder.name, 1, str(folder))
