"""Loads the backbone: any causal LM that transformers can read, from its own files or from a `.gguf` file.

A checkpoint that lacks weights is an error here: transformers would fill them with random numbers and a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig, PreTrainedModel

from reflectgen.errors import ModelError, ReflectgenError
from reflectgen.model.int8 import INT8, quantise
from reflectgen.model.placement import resolve_device, resolve_dtype
from reflectgen.model.quiet import quiet
from reflectgen.model.source import Source


def load_backbone(
    source: Source,
    *,
    device: str = "auto",
    dtype: str = "auto",
    attn_implementation: str | None = None,
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """The causal LM in `source`, in evaluation mode, on the device and in the dtype of those names.

    `attn_implementation` is transformers' (None for its default). Raises `ModelError` with one sentence where the files
    are missing, incomplete or broken.
    """
    place = resolve_device(device)
    options: dict[str, Any] = {**source.gguf_option, "trust_remote_code": trust_remote_code}
    with quiet(), one_sentence(source):
        config = AutoConfig.from_pretrained(source.folder, **options)
        stored = torch.bfloat16 if source.gguf else config.dtype
        chosen = resolve_dtype(dtype, place, stored, lambda: count_parameters(config, trust_remote_code)) or stored
        backbone, report = AutoModelForCausalLM.from_pretrained(
            source.folder,
            config=config,
            dtype=chosen or "auto",
            attn_implementation=attn_implementation,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below
            **options,
        )
        _check_weights(source, report)
        if source.gguf:
            _forget_quantisation(backbone)
        backbone.config._name_or_path = backbone.name_or_path = source.name
        if backbone.device.type != place.type:
            backbone.to(place)
        if dtype == INT8:
            quantise(backbone)
    return backbone.eval()


def map_backbone(source: Source, *, trust_remote_code: bool = False) -> PreTrainedModel:
    """The causal LM in `source` whose weights lie mapped in their files, for what asks for its shape and a few of its numbers.

    Nothing is read before it is looked at, so this takes no memory; computing with it would. Weights that are not there, or
    that the files call by other names, stay on torch's meta device. Raises what `load_backbone` raises.
    """
    if source.gguf is not None:
        raise ModelError(f"{source.name} is a .gguf file, which only the engines local and naive read: choose one of them.")
    backbone: Any = empty_backbone(source, trust_remote_code=trust_remote_code)
    with quiet(), one_sentence(source):
        names = backbone.state_dict().keys()
        state = {name: tensor for name, tensor in _mapped_tensors(source.folder) if name in names}
        backbone.load_state_dict(state, strict=False, assign=True)
        backbone.tie_weights()
    return backbone


def empty_backbone(source: Source, *, trust_remote_code: bool = False) -> PreTrainedModel:
    """The causal LM in `source` on torch's meta device: its shape and settings, without weights and so without memory."""
    options: dict[str, Any] = {**source.gguf_option, "trust_remote_code": trust_remote_code}
    with quiet(), one_sentence(source):
        backbone = _on_meta(AutoConfig.from_pretrained(source.folder, **options), trust_remote_code)
        if (source.folder / "generation_config.json").is_file():
            backbone.generation_config = GenerationConfig.from_pretrained(source.folder)
        backbone.config._name_or_path = backbone.name_or_path = source.name
    return backbone.eval()


def _mapped_tensors(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor in the weights' files; its numbers are read from the disk when they are looked at."""
    for file in sorted(folder.glob("model*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118  (no mapping)
                yield name, tensors.get_tensor(name)


def count_parameters(config: Any, trust_remote_code: bool = False) -> int:
    """Parameters of the causal LM that `config` describes; nothing is allocated."""
    return sum(parameter.numel() for parameter in _on_meta(config, trust_remote_code).parameters())


def _on_meta(config: Any, trust_remote_code: bool) -> PreTrainedModel:
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(deepcopy(config), trust_remote_code=trust_remote_code)


def _check_weights(source: Source, report: dict[str, Any]) -> None:
    """Refuse what transformers would fill with random numbers: tensors that are missing, or of another shape."""
    missing, misfits = report["missing_keys"], report["mismatched_keys"]
    if misfits:
        name, stored, asked = min(misfits)
        raise ModelError(
            f"The weights in {source.name} do not fit its configuration: {name} has the shape {tuple(stored)}, "
            f"but {tuple(asked)} is asked for."
        )
    if missing:
        raise ModelError(
            f"The weights in {source.name} are incomplete: {len(missing)} tensors are missing, e.g. {min(missing)}."
        )


def _forget_quantisation(backbone: Any) -> None:
    """Make a model that was read from a `.gguf` file an ordinary one: its weights are de-quantised, so it can be saved."""
    backbone.hf_quantizer = None
    if hasattr(backbone.config, "quantization_config"):
        del backbone.config.quantization_config


@contextmanager
def one_sentence(source: Source) -> Iterator[None]:
    """Map what transformers, safetensors and torch raise about a model's files to a `ModelError`."""
    try:
        yield
    except ReflectgenError:
        raise
    except ImportError as error:
        if source.gguf:
            raise ModelError("Reading a .gguf file needs two more packages: pip install gguf accelerate.") from error
        raise ModelError(f"The model in {source.name} needs a package that is not installed: {first_line(error)}.") from error
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"The model in {source.name} does not fit the device's memory: use a smaller dtype or device cpu."
        ) from error
    except SafetensorError as error:
        raise ModelError(
            f"The weights in {source.name} cannot be loaded, they are cut off or broken: {first_line(error)}."
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise ModelError(f"The model in {source.name} cannot be loaded: {first_line(error)}.") from error


def first_line(error: Exception) -> str:
    """The first line of what `error` says, without a full stop; its type's name where it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".:") if text else type(error).__name__
