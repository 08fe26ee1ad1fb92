"""The composition root: a model and an engine by name become a Reflector. The only place that builds an engine.

Importing this imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reflectgen import marks, prompts, registry, zoo
from reflectgen.config import PromptConfig, Sampling
from reflectgen.engine.base import Engine
from reflectgen.engine.grammar import Grammar
from reflectgen.errors import ModelError, OptionError
from reflectgen.identity import Identity
from reflectgen.reflector import Reflector
from reflectgen.search.choice import Frontier, Point
from reflectgen.steps import PRESETS, TokenTable, check_rule

if TYPE_CHECKING:
    from reflectgen.model.reflective import ReflectiveModel

FRONTIER = "frontier.json"
"""File beside a model or a head: what strategies were measured to reach with it (`reflectgen.search.choice`)."""

MISMATCH = "The head was trained on another backbone than this one: its scores may mislead."
ADAPTED = "The head reads states that the adapter {} has changed: unless it was trained on such, its scores may mislead."


def load(
    model: str | Path = "tiny",
    *,
    head: str | Path | None = None,
    engine: str = "local",
    device: str = "auto",
    dtype: str = "auto",
    kv_budget: int | None = None,
    engine_options: Mapping[str, Any] | None = None,
    step_rule: str | None = None,
    prompt: PromptConfig | Callable[[PromptConfig], PromptConfig] | None = None,
    prm: str | Path | None = None,
    adapter: str | Path | None = None,
    allow_backbone_mismatch: bool = False,
    trust_remote_code: bool = False,
) -> Reflector:
    """Load a model and put an engine under it.

    `model` is "tiny" (bundled), a Hub name, a folder, a `.gguf` file or a folder with a head that names its backbone; a model
    without a head gets the one that ships for it (`reflectgen.zoo`), if any. `head` overrides the model's, and "none" leaves
    it away. `engine` is a name in `ENGINES`, or the addresses of running vLLM servers, joined by commas; `kv_budget` is the
    memory for the cache in bytes (None: chosen by the engine) and `engine_options` are vLLM's own, in this process;
    `step_rule` overrides the head's (`reflectgen.steps.PRESETS`); `prompt` takes the place of what the model's files say
    about prompts, or makes it from that, as `Task.prompt` does. `prm` names a model of the same vocabulary whose head is to
    grade the steps, with passes of its own, in place of any head on `model`: the two-model baseline. `adapter` is the LoRA
    adapter that vLLM runs the model with: its folder in this process, its name over servers. A `frontier.json` beside the
    head, or beside the model whose head it is, tells the strategy "auto" what was measured.
    Raises `OptionError` for an unknown name and `ModelError` where the model or the head cannot be loaded.
    """
    urls = _urls(engine)
    kind = SERVERS if urls else registry.find("engine", engine, ENGINES)
    adapted = _adapted(kind, engine, adapter)
    if step_rule is not None:
        check_rule(step_rule)
    if prm is not None and head is not None:
        raise OptionError("Either a head of the model itself grades the steps, or a separate model does: give head or prm.")
    from reflectgen.model.shipped import NO_HEAD, open_model
    from reflectgen.model.tokenizer import load_tokenizer

    options: dict[str, Any] = {
        "device": device,
        "dtype": dtype,
        "allow_backbone_mismatch": allow_backbone_mismatch,
        "trust_remote_code": trust_remote_code,
    }
    name = locate(model)
    own_head = head if prm is None else NO_HEAD
    reflective = open_model(name, head=own_head, attn_implementation=kind.attention(), mapped=kind.mapped, **options)
    grader = reflective if prm is None else open_model(locate(prm), **options)
    tokenizer = load_tokenizer(name, trust_remote_code=trust_remote_code)
    prompting = _prompting(reflective.prompt_config(tokenizer), prompt)
    setup = Setup(
        name=name,
        model=reflective,
        grammar=grammar(reflective, tokenizer, step_rule, prompting, grader),
        device=device,
        dtype=dtype,
        kv_budget=kv_budget,
        options=engine_options or {},
        urls=urls,
        adapter=adapter,
        allow_backbone_mismatch=allow_backbone_mismatch,
        trust_remote_code=trust_remote_code,
    )
    called = ("vllm" if urls else engine) + ("" if prm is None else "+separate")
    identity = _identity(str(model), reflective, adapted, called, kind.precision(setup), prompting, grader)
    frontier = _frontier(name if own_head is None else own_head, identity.backbone)
    built = kind.build(setup)
    if prm is not None:
        built = _separate(built, grader, load_tokenizer(locate(prm), trust_remote_code=trust_remote_code))
    return Reflector(
        built,
        lambda problem: prompts.encode(problem, prompting, tokenizer),
        identity=identity,
        sampling=_own_sampling(reflective),
        blend=grader.head.config.blend if grader.head else None,
        frontier=frontier,
        notes=_notes(grader, setup),
        chat=lambda turns: prompts.encode_chat(turns, prompting, tokenizer),
    )


def outline(
    model: str | Path = "tiny",
    *,
    head: str | Path | None = None,
    step_rule: str | None = None,
    prompt: PromptConfig | Callable[[PromptConfig], PromptConfig] | None = None,
    prm: str | Path | None = None,
    trust_remote_code: bool = False,
) -> Reflector:
    """What `load` would give, without the weights: it puts prompts and checks options, and draws and grades nothing.

    Of the model only tokenizer, configuration and head are read. Arguments and errors are those of `load`.
    """
    from reflectgen.engine.replay import ReplayEngine
    from reflectgen.model.shipped import NO_HEAD
    from reflectgen.model.unweighted import open_unweighted

    reflective, tokenizer = open_unweighted(
        locate(model), head=head if prm is None else NO_HEAD, trust_remote_code=trust_remote_code
    )
    grader = reflective if prm is None else open_unweighted(locate(prm), trust_remote_code=trust_remote_code)[0]
    prompting = _prompting(reflective.prompt_config(tokenizer), prompt)
    engine = ReplayEngine(grammar(reflective, tokenizer, step_rule, prompting, grader), reflective.context, {})
    return Reflector(
        engine,
        lambda problem: prompts.encode(problem, prompting, tokenizer),
        identity=Identity(model=str(model), prompt=prompting),
        sampling=_own_sampling(reflective),
    )


def locate(model: str | Path) -> str | Path:
    """What a user may call a model -> what the loader can find: the bundled model's folder for "tiny", else the name."""
    return zoo.path("tiny") if model == "tiny" else model


def _prompting(own: PromptConfig, given: PromptConfig | Callable[[PromptConfig], PromptConfig] | None) -> PromptConfig:
    """The model's `own` way to prompt, or what was given in its place."""
    if given is None:
        return own
    return given if isinstance(given, PromptConfig) else given(own)


def _adapted(kind: EngineKind, engine: str, adapter: str | Path | None) -> str:
    """What tells the backbone with its adapter from the one without; raises `OptionError` where the engine runs none."""
    if adapter is None:
        return ""
    if kind.adapter is None:
        raise OptionError(f"The engine {engine} runs no adapters: merge {adapter} into the model's weights, or use vllm.")
    return f"+{kind.adapter(adapter)}"


def _notes(grader: ReflectiveModel, setup: Setup) -> list[str]:
    """What every result must say of its scores."""
    adapted = setup.adapter is not None and setup.grammar.reads
    return [*([MISMATCH] if grader.mismatch else []), *([ADAPTED.format(setup.adapter)] if adapted else [])]


def _identity(
    name: str, model: ReflectiveModel, adapted: str, engine: str, dtype: str, prompt: PromptConfig, grader: ReflectiveModel
) -> Identity:
    from reflectgen.model.fingerprint import fingerprint, head_fingerprint

    return Identity(
        model=name,
        backbone=fingerprint(model.backbone) + adapted,
        head=head_fingerprint(grader.head) if grader.head else "",
        engine=engine,
        dtype=dtype,
        parameters=sum(parameter.numel() for parameter in model.backbone.parameters()),
        prompt=prompt,
    )


def _frontier(measured: str | Path, backbone: str) -> tuple[Point, ...]:
    """What was measured with the model, or with the head that takes its head's place; nothing where that is not known.

    What was measured with another backbone, or with a head that was then left away, says nothing.
    """
    from reflectgen.model.shipped import NO_HEAD
    from reflectgen.model.source import resolve

    if measured == NO_HEAD:
        return ()
    path = Path(measured).expanduser()
    found = (path.parent if path.is_file() else resolve(measured).folder) / FRONTIER
    frontier = read_frontier(found) if found.is_file() else None
    return frontier.points if frontier and frontier.backbone == backbone else ()


def read_frontier(path: Path) -> Frontier:
    """The measurements in a file; raises `ModelError` where it is broken."""
    from reflectgen.model.json_file import read_object

    values = read_object(path)
    try:
        return Frontier.parse(values, str(path))
    except OptionError as error:
        raise ModelError(str(error)) from error


def grammar(
    model: ReflectiveModel,
    tokenizer: Any,
    step_rule: str | None = None,
    prompt: PromptConfig | None = None,
    grader: ReflectiveModel | None = None,
) -> Grammar:
    """What the branches of `model` have in common; `step_rule` overrides the head's, `prompt` the model's.

    `grader` is the model whose head grades, itself by default. Raises `OptionError` where no token contains the prompt's
    `stop`.
    """
    table = TokenTable(tokenizer)
    grader = grader or model
    head = grader.head.config if grader.head else None
    rule = step_rule or (head.step_rule if head else _default_rule(table))
    prompt = prompt or model.prompt_config(tokenizer)
    return Grammar(
        table=table,
        segmenter=marks.segmenter(rule, prompt, table, head.grade_end if head else False),
        eos=marks.end_tokens(model.backbone.generation_config, tokenizer) | marks.stop_tokens(prompt, table),
        aggregate=head.aggregate if head else "geometric",
        offset=head.offset if head else -1,
        has_head=head is not None,
        pool=head.pool if head else "token",
        separate=grader is not model,
    )


def _default_rule(table: TokenTable) -> str:
    """The step rule of a model without a head: blank lines where its vocabulary has them, else newlines."""
    return next((rule for rule in ("blank_line", "newline") if PRESETS[rule](table)), "newline")


def _own_sampling(model: ReflectiveModel) -> Sampling:
    """The model's own sampling where its generation config draws at all; what it leaves open is the authors'."""
    own: Any = model.backbone.generation_config
    if own is None or not own.do_sample:
        return Sampling()
    names = ("temperature", "top_p", "top_k")
    given = {name: getattr(own, name) for name in names if getattr(own, name) is not None}
    return Sampling.parse(given, "The model's generation_config.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What an engine is built from."""

    name: str | Path
    """What the loader can find the model by."""
    model: ReflectiveModel
    grammar: Grammar
    device: str = "auto"
    dtype: str = "auto"
    kv_budget: int | None = None
    """Bytes of the cache; None: the engine's own choice."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The engine's own."""
    urls: Sequence[str] = ()
    """Addresses of running servers."""
    adapter: str | Path | None = None
    """What the user called the LoRA adapter to run with."""
    allow_backbone_mismatch: bool = False
    trust_remote_code: bool = False


def _loaded(setup: Setup) -> str:
    """The precision that the weights were loaded in."""
    from reflectgen.model.int8 import precision

    return precision(setup.model.backbone)


def _unknown(setup: Setup) -> str:
    """A server does not tell its precision."""
    return ""


@dataclass(frozen=True, slots=True)
class EngineKind:
    """How to put one kind of engine under a model."""

    attention: Callable[[], str | None]
    """Attention implementation that the backbone is to be loaded with; None for transformers' default."""
    build: Callable[[Setup], Engine]
    precision: Callable[[Setup], str] = _loaded
    """What the backbone computes in; empty where that is not known."""
    mapped: bool = False
    """Whether the engine loads the weights itself, so that they are left on the disk here."""
    adapter: Callable[[str | Path], str] | None = None
    """What tells an adapter from others, by what the user calls it; None where the engine runs none."""


def _urls(engine: str) -> list[str]:
    """The addresses in an engine's name; none in one of `ENGINES`."""
    parts = [part.strip() for part in engine.split(",")]
    return parts if all(part.startswith(("http://", "https://")) for part in parts) else []


def _no_options(setup: Setup, name: str) -> None:
    if setup.options:
        raise OptionError(f"The engine {name} has no options of its own, and '{min(setup.options)}' was given: leave them out.")


def _local_attention() -> str:
    from reflectgen.engine.local.attention import register

    return register()


def _local(setup: Setup) -> Engine:
    from reflectgen.engine.local.engine import LocalEngine

    _no_options(setup, "local")
    return LocalEngine(setup.model, setup.grammar, kv_budget=setup.kv_budget)


def _separate(engine: Engine, grader: ReflectiveModel, tokenizer: Any) -> Engine:
    from reflectgen.engine.separate import SeparateEngine

    return SeparateEngine(engine, grader, TokenTable(tokenizer))


def _naive(setup: Setup) -> Engine:
    from reflectgen.engine.naive import NaiveEngine

    _no_options(setup, "naive")
    if setup.kv_budget is not None:
        raise OptionError("The naive engine keeps no cache, so there is nothing to budget: leave the KV budget out.")
    return NaiveEngine(setup.model, setup.grammar, setup.model.context)


def _vllm_precision(setup: Setup) -> str:
    from reflectgen.engine.vllm.build import precision

    return precision(setup.model, setup.device, setup.dtype)


def _vllm(setup: Setup) -> Engine:
    from reflectgen.engine.vllm.build import in_process

    return in_process(
        setup.name,
        setup.model,
        setup.grammar,
        device=setup.device,
        dtype=setup.dtype,
        kv_budget=setup.kv_budget,
        trust_remote_code=setup.trust_remote_code,
        options=setup.options,
        adapter=setup.adapter,
    )


def _adapter_in_process(adapter: str | Path) -> str:
    from reflectgen.model.adapter import adapter_fingerprint

    return adapter_fingerprint(adapter)


def _servers(setup: Setup) -> Engine:
    from reflectgen.engine.vllm.build import over_servers

    _no_options(setup, "over servers")
    if setup.kv_budget is not None:
        raise OptionError("Servers have budgeted their cache already: leave the KV budget out.")
    adapter = None if setup.adapter is None else str(setup.adapter)
    allow = setup.allow_backbone_mismatch
    return over_servers(setup.urls, setup.model, setup.grammar, adapter=adapter, allow_mismatch=allow)


ENGINES: dict[str, EngineKind] = {
    "local": EngineKind(attention=_local_attention, build=_local),
    "naive": EngineKind(attention=lambda: None, build=_naive),
    "vllm": EngineKind(
        attention=lambda: None, build=_vllm, precision=_vllm_precision, mapped=True, adapter=_adapter_in_process
    ),
}
"""Name -> kind of engine."""

SERVERS = EngineKind(attention=lambda: None, build=_servers, precision=_unknown, mapped=True, adapter=str)
"""What takes the place of a name where addresses of vLLM servers are given."""
