"""Puts the engine together: vLLM in this process, or servers that run already, under one model."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reflectgen.engine.grammar import Grammar
from reflectgen.engine.vllm import adapters
from reflectgen.engine.vllm.channel import Plain, Reader, reserve
from reflectgen.engine.vllm.engine import VLLMEngine
from reflectgen.engine.vllm.fleet import Fleet
from reflectgen.engine.vllm.greeting import greet
from reflectgen.engine.vllm.heads import NO_HEAD, overrides, processors
from reflectgen.engine.vllm.inprocess import InProcess
from reflectgen.errors import OptionError
from reflectgen.model.checkpoint import HEAD_FILE, backbone_source, write_head
from reflectgen.model.fingerprint import fingerprint, head_fingerprint
from reflectgen.model.int8 import INT8
from reflectgen.model.placement import resolve_device, resolve_dtype
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.source import resolve


def in_process(
    name: str | Path,
    model: ReflectiveModel,
    grammar: Grammar,
    *,
    device: str = "auto",
    dtype: str = "auto",
    kv_budget: int | None = None,
    trust_remote_code: bool = False,
    options: Mapping[str, Any] | None = None,
    adapter: str | Path | None = None,
) -> VLLMEngine:
    """vLLM in this process for the model called `name`; `model` is that model, its weights not needed.

    `options` are fields of vLLM's `AsyncEngineArgs` and override what follows from the other arguments; `adapter` is the folder
    of a LoRA adapter. Raises `ModelError` where vLLM is missing, cannot carry the head or cannot start.
    """
    reader = reader_of(model, grammar)
    given = {
        **vllm_options(name, model, grammar.reads, device, dtype),
        "kv_cache_memory_bytes": kv_budget,
        "trust_remote_code": trust_remote_code,
        **({} if adapter is None else adapters.options(adapter)),
        **(options or {}),
    }
    if not grammar.reads:
        if (Path(given["model"]) / HEAD_FILE).is_file():  # which vLLM's own class would take for weights of the model
            given["hf_overrides"] = {**overrides(architecture(model), NO_HEAD), **given.get("hf_overrides", {})}
        return VLLMEngine(Fleet([InProcess(reader, given, adapter)]), grammar)
    with tempfile.TemporaryDirectory(prefix="reflectgen-head-") as folder:
        config = model.config
        assert model.head is not None and config is not None
        write_head(Path(folder), model.head, config)
        given["logits_processors"] = [*(given.get("logits_processors") or ()), *processors(config.head)] or None
        given["hf_overrides"] = {**overrides(architecture(model), folder), **given.get("hf_overrides", {})}
        return VLLMEngine(Fleet([InProcess(reader, given, adapter)]), grammar)


def over_servers(
    urls: Sequence[str],
    model: ReflectiveModel,
    grammar: Grammar,
    *,
    adapter: str | None = None,
    allow_mismatch: bool = False,
) -> VLLMEngine:
    """The servers at `urls`, which run `model` with the adapter that they call `adapter`; raises what `greet` raises."""
    if len(set(urls)) < len(urls):
        raise OptionError("A server is named twice: name each once.")
    reader = reader_of(model, grammar)
    backbone = fingerprint(model.backbone)
    head = head_fingerprint(model.head) if grammar.reads and model.head is not None else ""
    replicas = [greet(url, reader, backbone, head, adapter=adapter, allow_mismatch=allow_mismatch) for url in urls]
    return VLLMEngine(Fleet(replicas), grammar)


def reader_of(model: ReflectiveModel, grammar: Grammar) -> Reader:
    """How vLLM's answers for `model` are read; raises `ModelError` for a vocabulary without room for a head's scores."""
    if not grammar.reads or model.head is None:
        return Plain()
    config: Any = model.backbone.config
    return reserve(grammar.table.tokenizer, config.get_text_config(decoder=True).vocab_size)  # type: ignore[arg-type]


def vllm_options(name: str | Path, model: ReflectiveModel, graded: bool, device: str, dtype: str) -> dict[str, Any]:
    """vLLM's options that follow from the model: where it lies and in what precision; raises for a class without the seams."""
    if graded:
        overrides(architecture(model), "")
    return {"model": str(backbone_source(resolve(name)).folder), "dtype": precision(model, device, dtype)}


def precision(model: ReflectiveModel, device: str, dtype: str) -> str:
    """What vLLM is told to compute in: the dtype of that name, "auto" resolved as for every engine."""
    if dtype == INT8:
        raise OptionError(
            "vLLM takes eight bits from a model's files, not from a dtype: name a quantised model, or another dtype."
        )
    config: Any = model.backbone.config
    stored = config.dtype
    parameters = sum(parameter.numel() for parameter in model.backbone.parameters())
    chosen = resolve_dtype(dtype, resolve_device(device), stored, lambda: parameters)
    return str(chosen or stored).removeprefix("torch.")


def architecture(model: ReflectiveModel) -> str:
    """What vLLM calls the model's class."""
    return type(model.backbone).__name__
