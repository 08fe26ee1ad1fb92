"""The composition root: a model and an engine by name become a Reflector. The only place that builds an engine.

Importing this imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reflectgen import prompts, registry, zoo
from reflectgen.config import Sampling
from reflectgen.engine.base import Engine
from reflectgen.engine.grammar import Grammar
from reflectgen.errors import OptionError
from reflectgen.reflector import Reflector
from reflectgen.steps import OFFICIAL, PRESETS, Segmenter, TokenTable, check_rule

if TYPE_CHECKING:
    from reflectgen.model.reflective import ReflectiveModel

OFFICIAL_TAGS = ("<think>", "</think>")
"""The tags that the authors' scorer looks for, whatever the model's own are."""

MISMATCH = "The head was trained on another backbone than this one: its scores may mislead."


def load(
    model: str | Path = "tiny",
    *,
    head: str | Path | None = None,
    engine: str = "local",
    device: str = "auto",
    dtype: str = "auto",
    kv_budget: int | None = None,
    step_rule: str | None = None,
    allow_backbone_mismatch: bool = False,
    trust_remote_code: bool = False,
) -> Reflector:
    """Load a model and put an engine under it.

    `model` is "tiny" (bundled), a Hub name, a folder, a `.gguf` file or a folder with a head that names its backbone;
    `head` overrides the head beside the model; `engine` is a name in `ENGINES`; `kv_budget` is the memory for the cache
    in bytes (None: chosen by the engine); `step_rule` overrides the head's (`reflectgen.steps.PRESETS`).
    Raises `OptionError` for an unknown name and `ModelError` where the model or the head cannot be loaded.
    """
    kind = registry.find("engine", engine, ENGINES)
    if step_rule is not None:
        check_rule(step_rule)
    from reflectgen.model.reflective import ReflectiveModel
    from reflectgen.model.tokenizer import load_tokenizer

    name = locate(model)
    reflective = ReflectiveModel.from_pretrained(
        name,
        head=head,
        device=device,
        dtype=dtype,
        attn_implementation=kind.attention(),
        allow_backbone_mismatch=allow_backbone_mismatch,
        trust_remote_code=trust_remote_code,
    )
    tokenizer = load_tokenizer(name, trust_remote_code=trust_remote_code)
    prompt = reflective.prompt_config(tokenizer)
    return Reflector(
        kind.build(reflective, grammar(reflective, tokenizer, step_rule), kv_budget),
        lambda problem: prompts.encode(problem, prompt, tokenizer),
        sampling=_own_sampling(reflective),
        blend=reflective.head.config.blend if reflective.head else None,
        notes=[MISMATCH] if reflective.mismatch else [],
    )


def locate(model: str | Path) -> str | Path:
    """What a user may call a model -> what the loader can find: the bundled model's folder for "tiny", else the name."""
    return zoo.path("tiny") if model == "tiny" else model


def grammar(model: ReflectiveModel, tokenizer: Any, step_rule: str | None = None) -> Grammar:
    """What the branches of `model` have in common; `step_rule` overrides the head's."""
    table = TokenTable(tokenizer)
    head = model.head.config if model.head else None
    rule = step_rule or (head.step_rule if head else _default_rule(table))
    tags = OFFICIAL_TAGS if rule in OFFICIAL else model.prompt_config(tokenizer).tags
    return Grammar(
        table=table,
        segmenter=Segmenter.bind(rule, tags, table),
        eos=_end_tokens(model, tokenizer),
        aggregate=head.aggregate if head else "geometric",
        offset=head.offset if head else -1,
        has_head=head is not None,
    )


def _default_rule(table: TokenTable) -> str:
    """The step rule of a model without a head: blank lines where its vocabulary has them, else newlines."""
    return next((rule for rule in ("blank_line", "newline") if PRESETS[rule](table)), "newline")


def _end_tokens(model: ReflectiveModel, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a text, by the generation config and by the tokenizer."""
    configured = getattr(model.backbone.generation_config, "eos_token_id", None)
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*ids, tokenizer.eos_token_id] if token is not None)


def _own_sampling(model: ReflectiveModel) -> Sampling:
    """The model's own sampling where its generation config draws at all; what it leaves open is the authors'."""
    own: Any = model.backbone.generation_config
    if own is None or not own.do_sample:
        return Sampling()
    names = ("temperature", "top_p", "top_k")
    given = {name: getattr(own, name) for name in names if getattr(own, name) is not None}
    return Sampling.parse(given, "The model's generation_config.json")


@dataclass(frozen=True, slots=True)
class EngineKind:
    """How to put one kind of engine under a model."""

    attention: Callable[[], str | None]
    """Attention implementation that the backbone is to be loaded with; None for transformers' default."""
    build: Callable[[ReflectiveModel, Grammar, int | None], Engine]
    """From the model, its grammar and the bytes of its cache (None: the engine's own choice) to the engine."""


def _local_attention() -> str:
    from reflectgen.engine.local.attention import register

    return register()


def _local(model: ReflectiveModel, grammar: Grammar, kv_budget: int | None) -> Engine:
    from reflectgen.engine.local.engine import LocalEngine

    return LocalEngine(model, grammar, kv_budget=kv_budget)


def _naive(model: ReflectiveModel, grammar: Grammar, kv_budget: int | None) -> Engine:
    from reflectgen.engine.naive import NaiveEngine

    if kv_budget is not None:
        raise OptionError("The naive engine keeps no cache, so there is nothing to budget: leave the KV budget out.")
    return NaiveEngine(model, grammar, model.context)


ENGINES: dict[str, EngineKind] = {
    "local": EngineKind(attention=_local_attention, build=_local),
    "naive": EngineKind(attention=lambda: None, build=_naive),
}
"""Name -> kind of engine."""
