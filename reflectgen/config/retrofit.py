"""Training a head alone, on the states of a frozen backbone (`reflectgen.train.head_only`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from reflectgen.config.base import Config
from reflectgen.errors import unknown
from reflectgen.scoring import AGGREGATES
from reflectgen.steps import check_rule


class HeadOptions(Config):
    """What of a head may be chosen before it is trained; fields without a word here are `HeadConfig`'s."""

    layer: int = Field(-2, lt=0)
    norm: bool = False
    offset: Literal[-1, 0] = -1
    pool: Literal["token", "step"] = "token"
    grade_end: bool = True
    """As in `HeadConfig`; on here, since the end of a reply without thinking tags tells much."""
    width: int = Field(64, gt=0)
    """As in `HeadConfig`. On a frozen backbone a narrow head tells right from wrong better than the paper's 2 d."""
    activation: Literal["relu", "gelu", "silu"] = "relu"
    dropout: float = Field(0.5, ge=0, lt=1)
    step_rule: str | None = None
    """As in `HeadConfig`; None for the rule that the rollouts were sampled under."""
    aggregate: str = "geometric"

    @field_validator("step_rule")
    @classmethod
    def _known_rule(cls, rule: str | None) -> str | None:
        return None if rule is None else check_rule(rule)

    @field_validator("aggregate")
    @classmethod
    def _known_aggregate(cls, name: str) -> str:
        if name not in AGGREGATES:
            raise unknown("aggregate", name, AGGREGATES)
        return name


class RetrofitConfig(Config):
    """How a head is trained on stored rollouts of a frozen backbone."""

    head: HeadOptions = HeadOptions()
    loss: str = "group"
    """Name of the loss (`reflectgen.train.loss.LOSSES`)."""
    warmup: int = Field(5, ge=0)
    """Epochs in which a loss with the paper's dynamic weight keeps every step (w = 1), at most all but the last; none of them
    is kept. No other loss has such epochs."""
    learning_rate: float = Field(1e-3, gt=0)
    """AdamW's, constant."""
    weight_decay: float = Field(0.01, ge=0)
    """AdamW's."""
    batch: int = Field(32, ge=1)
    """Problems of one update, each with all its traces."""
    epochs: int = Field(60, ge=1)
    """Most passes over the training part."""
    patience: int = Field(10, ge=1)
    """Epochs without a better AUC within the validation part's problems, after which training stops."""
    validation: float = Field(0.2, gt=0, lt=1)
    """Share of the problems that nothing is trained on: they stop the training and calibrate the head."""
    seed: int = 0
    """Draws the validation part, the initial weights, dropout and the order of the problems."""
    seeds: int = Field(3, ge=1)
    """Heads that are trained, with seeds `seed`, `seed` + 1, ..., and averaged into one that is as many times as wide."""
    backbone_name: str = ""
    """What the head's file calls its backbone, e.g. its name on the Hub; empty for the name that was given."""


class RetrofitStage(RetrofitConfig):
    """The same, and what the head is made of and measured on: a recipe of the stage `retrofit`."""

    model: str
    """The backbone: tiny, a Hub name, a folder or a `.gguf` file."""
    rollouts: tuple[Path, ...] = Field(min_length=1)
    """Stores to train on."""
    data: tuple[Path, ...] = ()
    """Files that the tasks of compact stores read their problems from."""
    labels: str | None = None
    """Name of step labels of the stores, which take the outcome's place."""
    search: Literal["layer"] | None = None
    """`layer` trains heads on the states of every block and keeps the best on the validation part."""
    test: Path | None = None
    """Store of other problems, to measure the finished head on."""
    test_data: tuple[Path, ...] = ()
    """As `data`, for `test`."""
    cache: Path | None = None
    """Folder for the states that are read; None for one beside each store."""
    off_policy: bool = False
    """Whether traces of another model are taken, too."""
    device: str = "auto"
    """A name of `reflectgen.model.placement.DEVICES`."""
    dtype: str = "auto"
    """`auto` or a name of `reflectgen.model.placement.DTYPES`."""
    trust_remote_code: bool = False
    """Whether code that comes with the model's files is run."""
