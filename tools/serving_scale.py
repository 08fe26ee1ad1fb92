"""What sampling with vLLM can reach on H100s, on paper: the second pair of tables of docs/scale.md.

    python tools/serving_scale.py           write them into docs/scale.md
    python tools/serving_scale.py --check   fail where docs/scale.md holds others

One decoding step of a group of t GPUs that share one copy of the model reads all weights and the keys and values of all live
branches once, so it takes at least

    (weights + branches x length x KV bytes a token) / (t x bandwidth)    seconds,

and at least 2 x parameters x branches / (t x peak) for its multiplications. Memory says how many branches there are. Nothing
here was measured: kernels reach perhaps two thirds of the bandwidth, and prefills, scheduling and sampling come on top.
"""

from __future__ import annotations

from dataclasses import dataclass

from marked import Marked
from scale import GB, PAGE, PEAK, PLANS, Shape, head_parameters

from reflectgen.config import HeadConfig

BANDWIDTH = 3.35e12
"""Bytes a second of one H100's memory."""
MEMORY, KEPT_FREE = 80 * GB, 8 * GB
"""Bytes of one H100, and of these what activations, graphs and vLLM itself are left."""
K, LONGEST = 32, 32_768
"""Branches of a problem, and tokens of the longest thinking."""
LENGTH = LONGEST / 2
"""Tokens of a live branch on average, where all grow to the longest."""
BYTES = 2
"""Of a weight, a key and a value in bfloat16."""
FLEETS = (1, 8, 64)


@dataclass(frozen=True, slots=True)
class Group:
    """`gpus` GPUs that share one copy of a model."""

    name: str
    shape: Shape
    gpus: int

    @property
    def weights(self) -> float:
        """Bytes of the weights, over all GPUs."""
        return self.shape.parameters * BYTES

    @property
    def kv(self) -> int:
        """Bytes of the keys and values of one token."""
        return 2 * self.shape.layers * (self.shape.hidden * self.shape.kv_heads // self.shape.heads) * BYTES

    @property
    def branches(self) -> int:
        """Live branches that the memory holds."""
        return int((self.gpus * (MEMORY - KEPT_FREE) - self.weights) // (LENGTH * self.kv))

    def step(self, branches: int) -> float:
        """Seconds of one token for that many branches, at least."""
        reading = (self.weights + branches * LENGTH * self.kv) / (self.gpus * BANDWIDTH)
        return max(reading, 2 * self.shape.parameters * branches / (self.gpus * PEAK))

    @property
    def throughput(self) -> float:
        """Tokens a second, at most, when the memory is full."""
        return self.branches / self.step(self.branches)


def groups() -> list[Group]:
    """One copy on as few GPUs as hold some branches, and the 32B on more."""
    small, middle, large = ((plan.recipe.partition("/")[0].rpartition("-")[2].upper(), plan.shape) for plan in PLANS[1:])
    return [Group(*small, 1), Group(*middle, 1), *(Group(*large, gpus) for gpus in (2, 4, 8))]


def tables() -> str:
    """Both tables in Markdown."""
    lines = [
        f"| one copy | GPUs | weights, GB | KV a token, KB | KV of {LONGEST // 1024}k tokens, GB | of {K} such, GB | "
        "branches that fit | ms a token | tokens/s a GPU | head |",
        "| --- |" + " ---: |" * 9,
    ]
    for group in groups():
        kept, shape = group.kv * LONGEST, group.shape
        head = head_parameters(HeadConfig(hidden_size=shape.hidden, width=2 * shape.hidden))
        lines.append(
            f"| {group.name} | {group.gpus} | {group.weights / GB:.1f} | {group.kv / 1024:.0f} | {kept / GB:.2f} | "
            f"{K * kept / GB:.0f} | {group.branches} | {group.step(group.branches) * 1e3:.1f} | "
            f"{group.throughput / group.gpus:,.0f} | {head / shape.parameters:.2%} |"
        )
    lines += [
        "",
        f"| {K} thinkings of {LONGEST // 1024}k tokens | one problem alone, s | "
        + " | ".join(f"problems an hour on {count}" for count in FLEETS)
        + " |",
        "| --- |" + " ---: |" * (1 + len(FLEETS)),
    ]
    for group in groups():
        alone = min(K, group.branches)
        seconds = group.step(alone) * LONGEST * K / alone
        hourly = group.throughput / group.gpus * 3600 / (K * LONGEST)
        cells = " | ".join(f"{hourly * count:,.0f}" if count >= group.gpus else "" for count in FLEETS)
        lines.append(f"| {group.name}, copies of {group.gpus} GPU{'s' * (group.gpus > 1)} | {seconds:,.0f} | {cells} |")
    return "\n".join(lines)


TABLES = Marked(
    page=PAGE,
    begin="<!-- serving tables: written by tools/serving_scale.py -->",
    end="<!-- end of serving tables -->",
    write=tables,
)

if __name__ == "__main__":
    TABLES.main("tools/serving_scale.py", __doc__)
