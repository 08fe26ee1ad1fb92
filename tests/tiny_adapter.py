"""LoRA adapters in PEFT's layout: a nominal one, and a random one of a given model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from reflectgen.model.adapter import CONFIG, WEIGHTS
from reflectgen.model.reflective import ReflectiveModel

RANK = 4
PROJECTIONS = ("q_proj", "v_proj")


def write(folder: Path, state: dict[str, Tensor] | None = None, **config: Any) -> Path:
    """An adapter of these weights, by default one of a layer that no model has; `config` are fields of its configuration."""
    folder.mkdir(exist_ok=True)
    own = {"peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "target_modules": list(PROJECTIONS), "bias": "none"}
    (folder / CONFIG).write_text(json.dumps({**own, **config}))
    save_file(state or {"base_model.model.q_proj.lora_A.weight": torch.ones(RANK, 8)}, folder / WEIGHTS)
    return folder


def adapt(model: ReflectiveModel, folder: Path) -> Path:
    """Write a random adapter for `model` to `folder`, and merge it into the model."""
    torch.manual_seed(0)
    state: dict[str, Tensor] = {}
    for name, module in model.backbone.named_modules():
        if name.endswith(PROJECTIONS):
            weight: Any = module.weight
            down, up = torch.randn(RANK, weight.shape[1]) / 8, torch.randn(weight.shape[0], RANK) / 8
            state |= {f"base_model.model.{name}.lora_A.weight": down, f"base_model.model.{name}.lora_B.weight": up}
            weight.data += up @ down
    return write(folder, state)
