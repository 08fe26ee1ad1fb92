"""What a head, a prompt and a reflective model are made of; stored beside their weights."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from reflectgen.config.base import Config
from reflectgen.errors import unknown
from reflectgen.scoring import AGGREGATES
from reflectgen.steps import check_rule


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
    pool: Literal["token", "step"] = "token"
    """What is read: the state at `offset` from the step token, or the mean of the states, each at `offset`, of all of the
    step's tokens."""
    grade_end: bool = False
    """Whether the end of a thinking is graded as one more step where no step ends there (the paper's heads do not)."""
    activation: Literal["relu", "gelu", "silu"] = "relu"
    """Activation between the two linear layers."""
    dropout: float = Field(0.5, ge=0, lt=1)
    """Dropout before the last linear layer, in training only."""
    step_rule: str = "paper"
    """Name of a preset of `reflectgen.steps`, or `regex:PATTERN` over decoded tokens."""
    temperature: float = Field(1.0, gt=0)
    """Divides the head's output; fitted on held-out traces so that scores are probabilities (calibration)."""
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
    reply: str = ""
    """Text that begins the model's own turn, as part of the prompt, e.g. an opening code fence; nothing where empty."""
    stop: str = ""
    """A text ends at the first token drawn that contains this, as at an end of text; nothing where empty."""


class ReflectiveConfig(Config):
    """What makes a causal LM a reflective model: stored as `reflectgen.json` beside its weights, or with a head alone."""

    head: HeadConfig
    prompt: PromptConfig = PromptConfig()
