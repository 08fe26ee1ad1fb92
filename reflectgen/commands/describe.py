"""The facts about a model that `reflectgen info` prints."""

from __future__ import annotations

from typing import Any

from reflectgen.errors import OptionError
from reflectgen.load import locate
from reflectgen.model.checkpoint import find_head
from reflectgen.model.fingerprint import fingerprint
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.shipped import open_model, shipped_for
from reflectgen.model.source import resolve
from reflectgen.model.tokenizer import load_tokenizer
from reflectgen.steps import TokenTable, step_tokens


def describe(model: str, *, head: str | None, allow_backbone_mismatch: bool, trust_remote_code: bool) -> dict[str, Any]:
    """Name of a fact -> the fact; those about the head are missing where there is none. Raises as loading does."""
    name = locate(model)
    reflective = open_model(
        name,
        head=head,
        device="cpu",
        allow_backbone_mismatch=allow_backbone_mismatch,
        trust_remote_code=trust_remote_code,
    )
    tokenizer = load_tokenizer(name, trust_remote_code=trust_remote_code)
    shipped = None if head or find_head(resolve(name)) else shipped_for(reflective, model)
    return {**_backbone(model, reflective, tokenizer), **_head(reflective, tokenizer, shipped)}


def _backbone(name: str, model: ReflectiveModel, tokenizer: Any) -> dict[str, Any]:
    config: Any = model.backbone.config
    text = config.get_text_config(decoder=True)
    tags = model.prompt_config(tokenizer).tags
    return {
        "model": name,
        "architecture": type(model.backbone).__name__,
        "parameters": sum(weights.numel() for weights in model.backbone.parameters()),
        "layers": text.num_hidden_layers,
        "width": text.hidden_size,
        "vocabulary": len(tokenizer),
        "context": getattr(text, "max_position_embeddings", None),
        "fingerprint": fingerprint(model.backbone),
        "thinking tags": None if tags is None else list(tags),
        "head": None if model.head is None else "SPRM",
    }


def _head(model: ReflectiveModel, tokenizer: Any, shipped: str | None) -> dict[str, Any]:
    """`shipped` is the head's name in the zoo; None for one that came with the model or was named."""
    if model.head is None:
        return {}
    config = model.head.config
    return {
        **({"head ships as": shipped} if shipped else {}),
        "head parameters": sum(weights.numel() for weights in model.head.parameters()),
        "head layer": config.layer,
        "head norm": config.norm,
        "head offset": config.offset,
        "step rule": config.step_rule,
        "step tokens": _count(config.step_rule, tokenizer),
        "aggregate": config.aggregate,
        "head's backbone": config.backbone or None,
        "head's backbone name": config.backbone_name or None,
        "head's backbone matches": not model.mismatch if config.backbone else None,
        "blend": None if config.blend is None else config.blend.model_dump(),
    }


def _count(rule: str, tokenizer: Any) -> int:
    """Number of step tokens; 0 where the vocabulary has none."""
    try:
        return len(step_tokens(rule, TokenTable(tokenizer)))
    except OptionError:
        return 0
