"""What the large recipes need, on paper: memory of a GPU, tokens and hours, as the tables of docs/scale.md.

    python tools/scale.py           write them into docs/scale.md
    python tools/scale.py --check   fail where docs/scale.md holds others

Parameters follow from each model's shape, memory from how FSDP shards it, time from counted operations at an assumed share
of a GPU's peak, and sampling from an assumed throughput. Nothing here was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from marked import ROOT, Marked

from reflectgen.commands.train import read
from reflectgen.config import HeadConfig, JointConfig

PAGE = ROOT / "docs" / "scale.md"

GB = 1e9
PEAK, SHARE = 989e12, 0.4
"""Operations a second of one H100 in bf16, dense, and the share of them that training is assumed to reach."""
FILLED = 0.5
"""Assumed mean length of a completion, as a share of the longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A Qwen2 backbone."""

    hidden: int
    layers: int
    feedforward: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool

    @property
    def block(self) -> int:
        """Parameters of one block."""
        kv = self.hidden * self.kv_heads // self.heads
        attention = 2 * self.hidden**2 + 2 * self.hidden * kv + self.hidden + 2 * kv
        return attention + 3 * self.hidden * self.feedforward + 2 * self.hidden

    @property
    def embeddings(self) -> int:
        """Parameters of the embedding and the LM head."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All parameters."""
        return self.layers * self.block + self.embeddings + self.hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A recipe, and where it is run."""

    recipe: str
    shape: Shape
    ranks: int
    """GPUs that train."""
    samplers: int
    """GPUs that sample beside them; 0 where the training GPUs sample."""
    throughput: int
    """Assumed tokens a second that one GPU samples with vLLM."""
    memory: int
    """Bytes of one GPU, in GB."""

    @property
    def config(self) -> JointConfig:
        """The recipe."""
        _, config = read(ROOT / "recipes" / self.recipe, ())
        assert isinstance(config, JointConfig)
        return config


PLANS = (
    Plan(
        recipe="qwen2.5-0.5b/joint-lora.yaml",
        shape=Shape(hidden=896, layers=24, feedforward=4864, heads=14, kv_heads=2, vocabulary=151_936, tied=True),
        ranks=1,
        samplers=0,
        throughput=1_500,
        memory=24,
    ),
    Plan(
        recipe="metastone-s1-1.5b/joint.yaml",
        shape=Shape(hidden=1536, layers=28, feedforward=8960, heads=12, kv_heads=2, vocabulary=151_936, tied=False),
        ranks=8,
        samplers=0,
        throughput=8_000,
        memory=80,
    ),
    Plan(
        recipe="metastone-s1-7b/joint.yaml",
        shape=Shape(hidden=3584, layers=28, feedforward=18_944, heads=28, kv_heads=4, vocabulary=152_064, tied=False),
        ranks=16,
        samplers=0,
        throughput=2_500,
        memory=80,
    ),
    Plan(
        recipe="metastone-s1-32b/joint.yaml",
        shape=Shape(hidden=5120, layers=64, feedforward=27_648, heads=40, kv_heads=8, vocabulary=152_064, tied=False),
        ranks=32,
        samplers=16,
        throughput=800,
        memory=80,
    ),
)


def head_parameters(head: HeadConfig) -> int:
    """Parameters of an SPRM head."""
    return head.hidden_size * head.width + 2 * head.width + 1


def adapter_parameters(shape: Shape, rank: int) -> int:
    """Parameters of adapters on all linear layers of all blocks."""
    kv = shape.hidden * shape.kv_heads // shape.heads
    sides = 2 * (shape.hidden + shape.hidden) + 2 * (shape.hidden + kv) + 3 * (shape.hidden + shape.feedforward)
    return shape.layers * rank * sides


def memory(plan: Plan) -> dict[str, float]:
    """GB on one training GPU, by what takes them."""
    config, shape = plan.config, plan.shape
    assert isinstance(config.head, HeadConfig)
    head, whole = head_parameters(config.head), shape.parameters
    tokens = config.traces_per_pass * (config.rollouts.prompt_tokens + config.rollouts.max_tokens)
    if config.lora:
        trained, frozen, reference, gathered = adapter_parameters(shape, config.lora.rank) + head, whole, 0, 0
    else:
        trained, frozen, reference = whole + head, 0, whole
        gathered = 2 * shape.block + shape.embeddings  # the block at work, the next one, and what is not sharded by blocks
    kept = tokens * shape.hidden * (shape.layers if config.gradient_checkpointing else 0)
    live = tokens * (8 * shape.hidden + 3 * shape.feedforward) * (1 if config.gradient_checkpointing else shape.layers)
    return {
        "weights": (4 * trained + 2 * frozen) / plan.ranks / GB,
        "gradients": 4 * trained / plan.ranks / GB,
        "optimizer": 8 * trained / plan.ranks / GB,
        "reference": 4 * reference / plan.ranks / GB,
        "gathered": 2 * gathered / GB,
        "activations": 2 * (kept + live) / GB,
        "vLLM": config.vllm.memory * plan.memory if config.vllm and config.vllm.mode == "colocate" else 0.0,
    }


def cost(plan: Plan) -> dict[str, float]:
    """Tokens and hours of the whole run."""
    config, shape = plan.config, plan.shape
    length = config.rollouts.max_tokens * FILLED
    rounds = config.updates / config.updates_per_round
    sampled = rounds * config.rollouts.prompts * config.rollouts.k * length
    trained = sampled * (1 + config.rollouts.prompt_tokens / 2 / length)
    passes = 6 + (2 if config.gradient_checkpointing else 0) + 2 + (2 if config.vllm else 0)  # reference; corrected ratios
    attention = 2 * shape.layers * shape.hidden * length  # of a token, on average, in one pass over 2 N operations
    operations = trained * (passes * shape.parameters + passes / 2 * attention)
    sampling = sampled / (plan.throughput * (plan.samplers or plan.ranks)) / 3600
    training = operations / (PEAK * SHARE * plan.ranks) / 3600
    return {
        "tokens": sampled,
        "sampling": sampling,
        "training": training,
        "gpu_hours": (sampling + training) * (plan.ranks + plan.samplers),
    }


def tables() -> str:
    """Both tables in Markdown."""
    parts = [memory(plan) for plan in PLANS]
    names = list(parts[0])
    lines = [f"| GB a GPU | {' | '.join(names)} | in all | of |", "| --- |" + " ---: |" * (len(names) + 2)]
    for plan, found in zip(PLANS, parts, strict=True):
        cells = " | ".join(f"{value:.1f}" if value else "" for value in found.values())
        lines.append(f"| `{plan.recipe}` | {cells} | **{sum(found.values()):.0f}** | {plan.memory} |")
    lines += ["", "| cost of a run | parameters | head | GPUs | tokens sampled | sampling, h | training, h | GPU hours |"]
    lines.append("| --- |" + " ---: |" * 7)
    for plan in PLANS:
        found, head = cost(plan), plan.config.head
        assert isinstance(head, HeadConfig)
        gpus = f"{plan.ranks} + {plan.samplers}" if plan.samplers else str(plan.ranks)
        lines.append(
            f"| `{plan.recipe}` | {plan.shape.parameters / 1e9:.2f} B | {head_parameters(head) / 1e6:.1f} M | {gpus} "
            f"| {found['tokens'] / 1e9:.2f} B | {found['sampling']:.0f} | {found['training']:.0f} | {found['gpu_hours']:,.0f} |"
        )
    return "\n".join(lines)


TABLES = Marked(page=PAGE, begin="<!-- tables: written by tools/scale.py -->", end="<!-- end of tables -->", write=tables)

if __name__ == "__main__":
    TABLES.main("tools/scale.py", __doc__)
