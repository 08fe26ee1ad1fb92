"""Supervised training of a small model from nothing (`reflectgen.train.sft`)."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from reflectgen.config.base import Config
from reflectgen.config.model import HeadConfig


class CorpusConfig(Config):
    """The word-problem corpus (`reflectgen.tasks.wordproblems`) that a model is trained on from nothing."""

    seed: int = 0
    """Seed of its training problems and traces."""
    events: tuple[Annotated[int, Field(ge=1, le=12)], ...] = (1, 1, 2, 3, 4, 5, 6, 6)
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
    """Longest sequence, in tokens; the corpus's rows stay below 256, with twelve events below 512."""
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
    loss: str = "even_paper"
    """Name of the loss (`reflectgen.train.loss.LOSSES`); its w is 1 until `filter_start`."""


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
    def _head_fits(self) -> Self:
        if self.head.hidden_size != self.backbone.hidden_size:
            raise ValueError("head.hidden_size and backbone.hidden_size differ: give both the same value")
        if self.head.pool != "token" or self.head.grade_end:
            raise ValueError("the corpus teaches one state of each step alone: leave out head.pool and head.grade_end")
        return self
