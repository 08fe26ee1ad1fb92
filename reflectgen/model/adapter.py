"""LoRA adapters on disk (arXiv 2106.09685), in the layout of PEFT: which there is, how large, and what tells it from others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any

from reflectgen.errors import ModelError
from reflectgen.model.json_file import read_object

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
SCALING = ("r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern")
"""Fields of the configuration that enter what the weights come to."""


def adapter_fingerprint(name: str | Path) -> str:
    """E.g. `lora-0f3c9a51b2d47e68`: 8 bytes of BLAKE2b over the file of weights and how they are scaled."""
    config, weights = read_config(name), _folder(name) / WEIGHTS
    digest = blake2b(json.dumps({key: config.get(key) for key in SCALING}, sort_keys=True).encode(), digest_size=8)
    with weights.open("rb") as file:
        digest.update(file_digest(file, "blake2b").digest())
    return f"lora-{digest.hexdigest()}"


def largest_rank(name: str | Path) -> int:
    """The rank of an adapter; of one with many, the largest."""
    config = read_config(name)
    try:
        return max(map(int, [config["r"], *(config.get("rank_pattern") or {}).values()]))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ModelError(
            f"The file {_folder(name) / CONFIG} names no rank of a LoRA adapter: give an adapter of that kind."
        ) from None


def read_config(name: str | Path) -> Mapping[str, Any]:
    """The configuration of the adapter in the folder `name`; raises `ModelError` where there is none, or none to be read."""
    path = _folder(name) / CONFIG
    if not (path.is_file() and path.with_name(WEIGHTS).is_file()):
        raise ModelError(f"The adapter {name} is no folder with {CONFIG} and {WEIGHTS}: give the folder of a LoRA adapter.")
    return read_object(path)


def _folder(name: str | Path) -> Path:
    return Path(name).expanduser()
