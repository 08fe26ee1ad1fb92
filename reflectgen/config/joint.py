"""Reinforcement learning of a policy from final answers (`reflectgen.train.joint`), alone or with its SPRM head.

Defaults are the 1.5B column of the settings of arXiv 2507.01951 and of its authors' released code. Recipes that differ say
so beside the number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from reflectgen.config.base import Config
from reflectgen.config.model import HeadConfig, PromptConfig

Reporter = Literal["tensorboard", "trackio", "wandb"]


class TaskConfig(Config):
    """The problems to learn on."""

    name: str
    """A task of `reflectgen.tasks`, an installed one, or `module:attribute`."""
    path: Path | None = None
    """File of its problems, where the task reads one."""
    split: str = "train"
    """Part of the task's problems."""
    limit: int | None = Field(None, ge=1)
    """At most this many problems; None for all that there are."""
    seed: int = 0
    """Draws the problems where there are more than `limit`, and makes them where the task makes its own."""


class RolloutConfig(Config):
    """How traces are sampled from the policy."""

    prompts: int = Field(32, ge=1)
    """Problems that are sampled for at a time, all from one policy."""
    k: int = Field(8, ge=2)
    """Traces of each problem: the group that its advantages are relative to."""
    temperature: float = Field(0.6, gt=0)
    """Divides the logits, in sampling and in the loss."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Draw from the smallest set of tokens with at least this probability; below 1 the loss knows nothing of it."""
    prompt_tokens: int = Field(1024, ge=1)
    """Longest prompt; problems with a longer one are left out."""
    max_tokens: int = Field(8192, ge=1)
    """Longest completion; a trace that is cut off there earns no reward and does not train the head."""


class PolicyConfig(Config):
    """How the policy learns: GRPO (arXiv 2402.03300) as in TRL's `GRPOTrainer`."""

    lr: float = Field(1e-6, gt=0)
    """Learning rate of AdamW, constant after `warmup`."""
    warmup: int = Field(0, ge=0)
    """Updates over which both learning rates rise from 0."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay of the matrices."""
    prompts_per_update: int = Field(8, ge=1)
    """Problems whose traces make one update; the first update after sampling is on policy, later ones are clipped."""
    clip: float = Field(0.2, gt=0)
    """How far the probability ratio may leave 1 before its gradient is cut."""
    kl: float = Field(0.001, ge=0)
    """Weight of the KL divergence from the model that training began with (low-variance estimate); 0 keeps no copy of it."""
    entropy: float = Field(0.001, ge=0)
    """Weight of the bonus for entropy."""
    grad_clip: float = Field(1.0, gt=0)
    """Largest norm of the policy's gradient; the head's is clipped apart."""
    loss: Literal["grpo", "bnpo", "dr_grpo", "dapo"] = "grpo"
    """How token losses are averaged: TRL's `loss_type`; `grpo` is the mean over traces of the mean over tokens."""


class JointSPRConfig(Config):
    """How the head learns beside the policy (`reflectgen.train.loss`)."""

    coefficient: float = Field(1.0, gt=0)
    """Weight of the SPR loss against the policy's."""
    loss: str = "paper"
    """A name of `reflectgen.train.loss.LOSSES`."""
    warmup: float = Field(0.1, ge=0, le=1)
    """Share of the updates in which every step counts (w = 1), before the dynamic weight starts."""
    gradient_scale: float = Field(1e-4, ge=0)
    """Scale of the SPR loss's gradient into the backbone."""
    lr: float = Field(1e-5, gt=0)
    """Learning rate of the head."""
    weight_decay: float = Field(0.01, ge=0)
    """Decoupled weight decay of the head."""
    grad_clip: float = Field(1.0, gt=0)
    """Largest norm of the head's gradient."""


class LoraConfig(Config):
    """Train low-rank adapters (arXiv 2106.09685) instead of the weights; they are merged into the finished model."""

    rank: int = Field(16, ge=1)
    alpha: float = Field(32, gt=0)
    """The adapters' output is scaled by alpha / rank."""
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Names that the linear layers to adapt end in."""


class VLLMConfig(Config):
    """Sample with vLLM, which gets the policy's new weights before each round, and the head's where it holds a head."""

    mode: Literal["colocate", "server"] = "colocate"
    """On the training GPUs, or on hosts of its own that run a vLLM server (docs/scale.md)."""
    base_url: str | None = None
    """Address of the server, e.g. http://host:8000."""
    tensor_parallel: int = Field(1, ge=1)
    """GPUs that share one copy (colocate)."""
    memory: float = Field(0.3, gt=0, le=1)
    """Share of each GPU's memory (colocate)."""

    @model_validator(mode="after")
    def _server_has_address(self) -> Self:
        if (self.mode == "server") != (self.base_url is not None):
            raise ValueError("the mode server needs a base_url, and colocate takes none")
        return self


class FSDPConfig(Config):
    """Shard weights, gradients and optimizer over all ranks (PyTorch's FSDP version 2)."""

    cpu_offload: bool = False
    """Keep the shards in the hosts' memory."""
    reshard: bool = True
    """Free the gathered weights after the forward pass; False is faster and takes more memory."""


class GrpoConfig(Config):
    """A policy that learns from its outcomes (stage `grpo`)."""

    model: str
    """What to train: "tiny" (bundled), a folder, a Hub name, or a head that names its backbone."""
    task: TaskConfig
    prompt: PromptConfig | None = None
    """How problems become prompts; None for the model's own way with the task's instruction."""
    rollouts: RolloutConfig = RolloutConfig()
    policy: PolicyConfig = PolicyConfig()
    updates: int = Field(ge=1)
    """Optimizer steps in all; the problems are gone through again, in a new order, when they are used up."""
    traces_per_pass: int = Field(8, ge=1)
    """Traces of one forward and backward pass on one device; an update sums up as many passes as it needs."""
    lora: LoraConfig | None = None
    vllm: VLLMConfig | None = None
    fsdp: FSDPConfig | None = None
    precision: Literal["fp32", "bf16"] = "bf16"
    """Precision of the passes; trained weights are fp32 in either case."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: a third more time, a fraction of the memory."""
    seed: int = 0
    """Seed of sampling, of dropout and of the order of the problems."""
    log_every: int = Field(1, ge=1)
    """Updates between log lines."""
    save_every: int = Field(20, ge=1)
    """Updates between checkpoints."""
    samples_every: int = Field(10, ge=1)
    """Updates between tables of sample traces."""
    samples: int = Field(4, ge=0)
    """Traces in a table; 0 writes none."""
    report_to: tuple[Reporter, ...] = ()
    """Trackers that get the figures too."""

    @property
    def updates_per_round(self) -> int:
        """Updates made of one round of sampling."""
        return self.rollouts.prompts // self.policy.prompts_per_update

    @model_validator(mode="after")
    def _numbers_fit(self) -> Self:
        if self.rollouts.prompts % self.policy.prompts_per_update:
            raise ValueError("rollouts.prompts must be a multiple of policy.prompts_per_update")
        if self.updates % self.updates_per_round:
            raise ValueError(f"updates must be a multiple of the {self.updates_per_round} updates of one round of sampling")
        if self.save_every % self.updates_per_round or self.save_every % self.log_every:
            raise ValueError(
                f"save_every must be a multiple of log_every and of the {self.updates_per_round} updates of one round of "
                "sampling, so that a resumed run goes on where a round and a log line begin"
            )
        return self


class JointConfig(GrpoConfig):
    """A policy and its head that learn together, in one backward pass (stage `joint`)."""

    head: str | HeadConfig | None = None
    """A folder or Hub name of a trained head; the configuration of a fresh one; None for the model's own, or where it has
    none a fresh one as in the paper."""
    spr: JointSPRConfig = JointSPRConfig()
