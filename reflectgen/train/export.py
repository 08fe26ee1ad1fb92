"""From a checkpoint of reinforcement learning to a model folder: the policy's weights, and the head as its own file.

It reads the checkpoint and not the trainer, so it is the same however the weights were sharded while they were trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor
from transformers import AutoConfig

from reflectgen.config import GrpoConfig
from reflectgen.model.backbone import load_backbone
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.source import resolve
from reflectgen.train.patch import HEAD
from reflectgen.train.pupil import Pupil, load


def export(config: GrpoConfig, checkpoint: Path, output: Path) -> None:
    """Write the model that `checkpoint` holds to `output`, all or nothing.

    Its weights are stored in the dtype of the model that training began with, adapters merged into them; the head's in fp32.
    """
    pupil = load(config, "float32")
    dtype = AutoConfig.from_pretrained(pupil.backbone.config._name_or_path).dtype or pupil.backbone.dtype
    backbone = _merged(pupil, checkpoint) if config.lora else load_backbone(resolve(checkpoint), device="cpu", dtype="float32")
    if pupil.head is not None and not config.lora:
        pupil.head.load_state_dict(head_weights(checkpoint))
    ReflectiveModel(backbone.to(dtype), pupil.head, prompt=pupil.prompt).save_pretrained(output, pupil.tokenizer)


def _merged(pupil: Pupil, checkpoint: Path) -> Any:
    """The backbone with the checkpoint's adapters merged; the pupil's head gets the weights that lie beside them."""
    from peft import PeftModel

    setattr(pupil.backbone, HEAD, pupil.head)
    backbone = PeftModel.from_pretrained(pupil.backbone, checkpoint).merge_and_unload()
    if pupil.head is not None:
        pupil.head.load_state_dict(getattr(backbone, HEAD).state_dict())
    delattr(backbone, HEAD)
    return backbone


def head_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The head's tensors among those of a checkpoint that holds the whole policy."""
    weights: dict[str, Tensor] = {}
    prefix = f"{HEAD}."
    for file in sorted(checkpoint.glob("model*.safetensors")):
        with safe_open(file, "pt") as tensors:
            own = [name for name in tensors.keys() if name.startswith(prefix)]  # noqa: SIM118
            weights |= {name.removeprefix(prefix): tensors.get_tensor(name) for name in own}
    return weights
