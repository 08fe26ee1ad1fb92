"""One frozen configuration per stage: keyword-only, unknown keys are errors, no I/O and no torch at import.

A recipe is a YAML file of one of these; `load_recipe` reads it and applies dotted overrides (`optimizer.lr=1e-3`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from reflectgen.errors import InputError, OptionError, unknown
from reflectgen.scoring import AGGREGATES
from reflectgen.steps import check_rule


class Config(BaseModel):
    """Base of all configurations: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls, values: dict[str, Any], source: str) -> Self:
        """Validate `values`; the first fault becomes one sentence that names `source` and the key."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            fault = error.errors()[0]
            key = ".".join(str(part) for part in fault["loc"]) or "value"
            message = fault["msg"].removeprefix("Value error, ")
            raise OptionError(f"{source}: {key}: {message}{'' if message.endswith(('.', '?')) else '.'}") from None


class Blend(Config):
    """Scales of the blend: z(log SPRM score) + weight * z(mean log-prob), both standardised on held-out traces."""

    weight: float = Field(1.0, ge=0)
    """Weight of the log-prob term against the SPRM term."""
    score_mean: float = 0.0
    """Mean of the log trajectory score."""
    score_std: float = Field(1.0, gt=0)
    """Standard deviation of the log trajectory score."""
    logprob_mean: float = 0.0
    """Mean of the mean log-prob, in nats."""
    logprob_std: float = Field(1.0, gt=0)
    """Standard deviation of the mean log-prob, in nats."""


class HeadConfig(Config):
    """Everything that tells one head from another; it is stored beside the head's weights. Defaults are the paper's."""

    hidden_size: int = Field(gt=0)
    """Width d of the backbone's states."""
    width: int = Field(gt=0)
    """Width of the head's hidden layer; the paper's is 2 d."""
    layer: int = Field(-2, lt=0)
    """Block whose output is read, counted from the end: -1 the last block, -2 the second-to-last (the paper's)."""
    norm: bool = False
    """Whether the backbone's final norm is applied to that output first (with layer -1: `hidden_states[-1]`)."""
    offset: Literal[-1, 0] = -1
    """-1 reads the state that predicts the step token, 0 the state at it."""
    activation: Literal["relu", "gelu", "silu"] = "relu"
    """Activation between the two linear layers."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout before the last linear layer, in training only."""
    step_rule: str = "paper"
    """Name of a preset of `reflectgen.steps`, or `regex:PATTERN` over decoded tokens."""
    aggregate: str = "geometric"
    """How step scores become the trajectory score: a name in `reflectgen.scoring.AGGREGATES`."""
    backbone: str = ""
    """Fingerprint of the backbone it was trained on; empty where that is unknown (imported heads)."""
    backbone_name: str = ""
    """What people call that backbone."""
    blend: Blend | None = None
    """Scales for `--select blend`; None where they were never measured."""

    @model_validator(mode="before")
    @classmethod
    def _paper_width(cls, values: Any) -> Any:
        if isinstance(values, dict) and "width" not in values and isinstance(values.get("hidden_size"), int):
            return {**values, "width": 2 * values["hidden_size"]}
        return values

    @field_validator("step_rule")
    @classmethod
    def _known_rule(cls, rule: str) -> str:
        return check_rule(rule)

    @field_validator("aggregate")
    @classmethod
    def _known_aggregate(cls, name: str) -> str:
        if name not in AGGREGATES:
            raise unknown("aggregate", name, AGGREGATES)
        return name


INSTRUCTION = (
    "Solve the problem step by step. Write each step as its own short paragraph, with a blank line between steps. "
    "End with the final answer in \\boxed{}."
)
"""What an instruct model is asked to do where its configuration does not say otherwise."""


class PromptConfig(Config):
    """How a problem becomes a prompt for one model, and how its thinking is marked."""

    system: str = ""
    """System message; none where empty."""
    instruction: str = INSTRUCTION
    """Appended to the problem after a blank line; nothing where empty."""
    tags: tuple[str, str] | None = None
    """Opening and closing tag of the thinking; None for a model whose whole reply is its thinking."""


class ReflectiveConfig(Config):
    """What makes a causal LM a reflective model: stored as `reflectgen.json` beside its weights, or with a head alone."""

    head: HeadConfig
    prompt: PromptConfig = PromptConfig()


class Sampling(Config):
    """How tokens are drawn. Defaults are the authors'."""

    temperature: float = Field(0.6, ge=0)
    """Divides the logits; 0 takes the most likely token."""
    top_p: float = Field(0.95, gt=0, le=1)
    """Draw from the smallest set of tokens with at least this probability."""
    top_k: int = Field(0, ge=0)
    """Draw from this many most likely tokens; 0 for all."""
    max_tokens: int = Field(4096, ge=1)
    """Longest thinking, in tokens."""
    answer_tokens: int = Field(512, ge=1)
    """Longest reply after the thinking, in tokens."""


class Effort(Config):
    """One named point of test-time effort."""

    k: int = Field(ge=1)
    """Thinkings sampled."""


EFFORTS: dict[str, Effort] = {"low": Effort(k=2), "medium": Effort(k=8), "high": Effort(k=32)}
"""The paper's modes."""


def load_recipe(kind: type[Config], path: Path, overrides: Sequence[str] = ()) -> Any:
    """Read the YAML file `path` as a `kind`, with dotted `key=value` overrides on top."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The recipe {path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"The recipe {path} is no YAML: {str(error).splitlines()[0]}.") from None
    if not isinstance(values, dict):
        raise InputError(f"The recipe {path} holds no mapping of keys to values.")
    for override in overrides:
        _override(values, override)
    return kind.parse(values, str(path))


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise OptionError(f"The override '{override}' is not of the form key=value.")
    *parents, leaf = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise OptionError(f"The override '{override}' goes below '{parent}', which holds a value.")
    try:
        values[leaf] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise OptionError(f"The override '{override}' gives no YAML after its '='.") from None


class CorpusConfig(Config):
    """The word-problem corpus (`reflectgen.tasks.wordproblems`) that a model is trained on from nothing."""

    seed: int = 0
    """Seed of its training problems and traces."""
    events: tuple[Annotated[int, Field(ge=1, le=6)], ...] = (1, 1, 2, 3, 4, 5, 6, 6)
    """Numbers of events of a problem, drawn evenly, one draw a batch; outcomes of short problems are nearly step labels."""
    misconceptions: float | None = Field(None, ge=0, le=1)
    """Probability of the wrong reading of a trap; None for each kind's own."""
    vocabulary_texts: int = Field(4000, ge=1)
    """Problems and traces that the vocabulary is built from."""


class BackboneConfig(Config):
    """Size of a small Llama that is trained from nothing."""

    vocab_size: int = Field(640, ge=266)
    """Tokens of the byte-level vocabulary."""
    context: int = Field(512, ge=256)
    """Longest sequence, in tokens; the corpus's rows stay below 256."""
    hidden_size: int = Field(128, ge=8)
    """Width of the states."""
    layers: int = Field(4, ge=2)
    """Blocks."""
    heads: int = Field(4, ge=1)
    """Attention heads."""
    kv_heads: int = Field(2, ge=1)
    """Key-value heads, shared by groups of attention heads."""
    feedforward: int = Field(384, ge=8)
    """Width of the feed-forward layers."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden_size % (2 * self.heads) or self.heads % self.kv_heads:
            raise ValueError("hidden_size must be a multiple of 2 * heads, and heads one of kv_heads")
        return self


class OptimizerConfig(Config):
    """Muon for the blocks' matrices, AdamW for the rest, on one cosine."""

    updates: int = Field(ge=1)
    """Optimizer steps in all."""
    batch: int = Field(48, ge=1)
    """Traces of one update."""
    muon_lr: float = Field(0.02, gt=0)
    """Peak learning rate of Muon."""
    adam_lr: float = Field(2e-3, gt=0)
    """Peak learning rate of AdamW."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay of the matrices."""
    warmup: float = Field(0.01, ge=0, lt=1)
    """Share of the updates over which the rates rise to their peaks."""
    floor: float = Field(0.03, ge=0, le=1)
    """Share of the peak rates that the cosine ends at."""
    clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient."""


class SPRConfig(Config):
    """How the SPR loss joins the training (`reflectgen.train.loss`)."""

    coefficient: float = Field(1.0, ge=0)
    """Weight of the SPR loss against the mean next-token loss."""
    start: float = Field(0.0, ge=0, le=1)
    """Share of the updates after which it joins."""
    filter_start: float = Field(0.0, ge=0, le=1)
    """Share of the updates after which the paper's dynamic weight applies; 1 keeps w = 1 throughout."""
    gradient_scale: float = Field(1e-4, ge=0)
    """Scale of its gradient into the backbone; the default is the authors'."""
    balance: Literal["none", "even"] = "even"
    """How the classes are balanced: a name in `reflectgen.train.loss.BALANCES`."""


class SupervisedConfig(Config):
    """Next-token and SPR loss on a corpus with known outcomes, from nothing (`reflectgen.train.sft`)."""

    seed: int = 0
    """Seed of the initial weights and of dropout."""
    corpus: CorpusConfig = CorpusConfig()
    backbone: BackboneConfig = BackboneConfig()
    head: HeadConfig
    optimizer: OptimizerConfig
    spr: SPRConfig = SPRConfig()
    save_every: int = Field(250, ge=1)
    """Updates between checkpoints."""
    log_every: int = Field(50, ge=1)
    """Updates between log lines."""

    @model_validator(mode="after")
    def _same_width(self) -> Self:
        if self.head.hidden_size != self.backbone.hidden_size:
            raise ValueError("head.hidden_size and backbone.hidden_size differ: give both the same value")
        return self
