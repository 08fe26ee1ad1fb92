"""How fast the local engine is beside what people would use instead, and what grading costs.

    python bench/engine.py [--model DIR] [--problems 32] [--k 8] [--tokens N] [--repeats 3] [--json]

All ways run in one process on the same weights, prompts, dtype and sampling, one after the other in every repeat, so
that a slow moment of the machine hits all of them. Figures are tokens kept per second; a ratio is the median over
repeats of the local engine's figure over the other's of the same repeat.

- transformers_generate: `generate`, all rows in one call.
- transformers_generate_one_problem: `generate`, one problem's k rows a call, as a loop over problems does it.
- transformers_continuous_batching: `generate_batch`, transformers' own continuous batching, with a paged cache.
- two_pass: the authors' way: `generate`, all rows in one call, then a second copy of the model re-reads every trace.
- fused_overhead: time a token with the head over time a token without it, less one; both draw the same tokens.
- k32_over_k8: time a token at k = 32 over that at k = 8, for the same number of rows.

Without --tokens every row ends where the model ends it; with it all rows get exactly that many tokens. A model without
a head gets a random one, which costs the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from reflectgen import prompts
from reflectgen.config import HeadConfig, Sampling
from reflectgen.engine.branch import Branch
from reflectgen.engine.grammar import Grammar
from reflectgen.engine.local.attention import register
from reflectgen.engine.local.engine import LocalEngine
from reflectgen.load import grammar, locate
from reflectgen.model.head import SPRMHead
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.tokenizer import load_tokenizer
from reflectgen.tasks import wordproblems

LONGEST = 200
"""Tokens of a row at most where the model ends it."""


@dataclass(frozen=True)
class Bench:
    """What all ways share."""

    slots: ReflectiveModel
    """The model with the local engine's attention."""
    plain: ReflectiveModel
    """The same weights with transformers' default attention."""
    grammar: Grammar
    prompts: list[list[int]]
    k: int
    tokens: int | None
    pad: int

    @property
    def rows(self) -> list[list[int]]:
        """Each prompt k times."""
        return [prompt for prompt in self.prompts for _ in range(self.k)]

    def generation(self) -> GenerationConfig:
        """The sampling in transformers' terms."""
        fixed = {"min_new_tokens": self.tokens, "max_new_tokens": self.tokens, "eos_token_id": -1}
        free = {"max_new_tokens": LONGEST, "eos_token_id": sorted(self.grammar.eos)}
        ends = fixed if self.tokens else free
        return GenerationConfig(do_sample=True, temperature=1.0, top_p=1.0, top_k=0, pad_token_id=self.pad, **ends)

    def kept(self, row: Sequence[int]) -> int:
        """Tokens of a row up to its end-of-text token."""
        ends = [index + 1 for index, token in enumerate(row) if token in self.grammar.eos]
        return len(row) if self.tokens or not ends else ends[0]


def local(bench: Bench, *, graded: bool = True) -> float:
    """Tokens per second of the local engine."""
    model = bench.slots if graded else ReflectiveModel(bench.slots.backbone)
    return asyncio.run(_local(replace(bench, slots=model, grammar=replace(bench.grammar, has_head=graded))))


async def _local(bench: Bench) -> float:
    engine = LocalEngine(bench.slots, bench.grammar)
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=bench.tokens or LONGEST)
    began = time.perf_counter()
    branches = [branch for prompt in bench.prompts for branch in engine.branches(prompt, bench.k, sampling, seed=0)]
    await asyncio.gather(*(_finish(branch, bench.tokens is None) for branch in branches))
    seconds = time.perf_counter() - began
    await engine.close()
    return sum(len(branch.ids) for branch in branches) / seconds


async def _finish(branch: Branch, answered: bool) -> None:
    await branch.ended()
    if answered:
        await branch.answer()


def generate(bench: Bench, rows: list[list[int]] | None = None) -> tuple[float, list[list[int]]]:
    """Tokens per second of `generate` with all rows in one call, and the completions."""
    rows = bench.rows if rows is None else rows
    width = max(map(len, rows))
    ids = torch.tensor([[bench.pad] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    began = time.perf_counter()
    output = bench.plain.backbone.generate(input_ids=ids, attention_mask=mask, generation_config=bench.generation())
    seconds = time.perf_counter() - began
    completions = [row[: bench.kept(row)] for row in output[:, width:].tolist()]
    return sum(map(len, completions)) / seconds, completions


def generate_one_problem(bench: Bench) -> float:
    """Tokens per second of one `generate` call after the other, each with one problem's rows."""
    began = time.perf_counter()
    tokens = sum(len(row) for prompt in bench.prompts for row in generate(bench, [prompt] * bench.k)[1])
    return tokens / (time.perf_counter() - began)


def continuous_batching(bench: Bench) -> float:
    """Tokens per second of transformers' continuous batching, its cache set up anew as one call does it."""
    longest = max(map(len, bench.prompts)) + (bench.tokens or LONGEST)
    pages = len(bench.rows) * (longest // 64 + 2)
    settings = ContinuousBatchingConfig(page_size=64, num_blocks=pages, max_batch_tokens=1024)
    began = time.perf_counter()
    output = bench.plain.backbone.generate_batch(
        bench.rows, generation_config=bench.generation(), continuous_batching_config=settings, warmup=False
    )
    seconds = time.perf_counter() - began
    return sum(bench.kept(result.generated_tokens) for result in output.values()) / seconds


@torch.inference_mode()
def two_pass(bench: Bench) -> float:
    """Tokens per second where a second copy re-reads each trace after it was generated."""
    began = time.perf_counter()
    _, completions = generate(bench)
    for prompt, completion in zip(bench.rows, completions, strict=True):
        states = bench.plain.backbone(torch.tensor([prompt + completion]), output_hidden_states=True).hidden_states[-2]
        torch.sigmoid(bench.plain.grade(states))
    return sum(map(len, completions)) / (time.perf_counter() - began)


BASELINES: dict[str, Callable[[Bench], float]] = {
    "transformers_generate": lambda bench: generate(bench)[0],
    "transformers_generate_one_problem": generate_one_problem,
    "transformers_continuous_batching": continuous_batching,
    "two_pass": two_pass,
}


def measure(bench: Bench, repeats: int, baselines: Sequence[str]) -> dict[str, Any]:
    """Interleaved repeats of all ways, after each has run once on a single prompt to warm up."""
    wide = max(1, len(bench.rows) // 32)
    ways = {
        "local": local,
        "local_ungraded": lambda bench: local(bench, graded=False),
        "local_k8": lambda bench: local(replace(bench, prompts=bench.prompts[: 4 * wide], k=8)),
        "local_k32": lambda bench: local(replace(bench, prompts=bench.prompts[:wide], k=32)),
        **{name: BASELINES[name] for name in baselines},
    }
    for way in ways.values():
        way(replace(bench, prompts=bench.prompts[:1], k=2))
    rounds = [{name: way(bench) for name, way in ways.items()} for _ in range(repeats)]
    return {
        "ratios": {name: _median_ratio(rounds, "local", name) for name in baselines},
        "fused_overhead": _median_ratio(rounds, "local_ungraded", "local") - 1,
        "k32_over_k8": _median_ratio(rounds, "local_k8", "local_k32"),
        "tokens_per_second": {name: median(one[name] for one in rounds) for name in ways},
        "rows": len(bench.rows),
        "dtype": str(next(bench.plain.backbone.parameters()).dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "repeats": repeats,
    }


def _median_ratio(rounds: list[dict[str, float]], above: str, below: str) -> float:
    return median(one[above] / one[below] for one in rounds)


def prepare(model: str, problems: int, k: int, tokens: int | None, dtype: str) -> Bench:
    """Load the model twice, once with each attention, and write the prompts."""
    name = locate(model)
    slots = ReflectiveModel.from_pretrained(name, attn_implementation=register(), dtype=dtype, device="cpu")
    plain = ReflectiveModel.from_pretrained(name, dtype=dtype, device="cpu")
    tokenizer = load_tokenizer(name)
    rule = grammar(slots, tokenizer)
    if slots.head is None:
        head = SPRMHead(HeadConfig(hidden_size=slots.backbone.config.hidden_size, step_rule=rule.segmenter.rule)).eval()
        slots, plain = ReflectiveModel(slots.backbone, head), ReflectiveModel(plain.backbone, head)
    if tokens:
        rule = replace(rule, eos=frozenset(), segmenter=replace(rule.segmenter, tags=None))
    texts = [wordproblems.generate("test", 0, index).text for index in range(problems)]
    encoded = [list(prompts.encode(text, plain.prompt_config(tokenizer), tokenizer)) for text in texts]
    return Bench(slots, plain, replace(rule, has_head=True), encoded, k, tokens, tokenizer.pad_token_id or 0)


def show(figures: dict[str, Any]) -> None:
    """The figures as a table."""
    table = Table(title=f"{figures['rows']} rows, {figures['dtype']}, {figures['threads']} threads")
    table.add_column("way")
    table.add_column("tokens/s", justify="right")
    table.add_column("local is faster by", justify="right")
    for name, speed in figures["tokens_per_second"].items():
        ratio = figures["ratios"].get(name)
        table.add_row(name, f"{speed:,.0f}", f"{ratio:.2f}x" if ratio else "")
    Console().print(table)
    Console().print(f"grading costs {figures['fused_overhead']:+.1%}; k = 32 over k = 8: {figures['k32_over_k8']:.3f}")


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="a folder, a Hub name or the bundled model (default: %(default)s)")
    parser.add_argument("--problems", type=int, default=32, help="prompts (default: %(default)s)")
    parser.add_argument("--k", type=int, default=8, help="rows a prompt (default: %(default)s)")
    parser.add_argument("--tokens", type=int, help="tokens a row, exactly (default: until the model ends it)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds that count (default: %(default)s)")
    parser.add_argument("--dtype", default="auto", help="of the weights (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="torch threads (default: torch's own)")
    parser.add_argument("--baselines", nargs="*", default=list(BASELINES), choices=list(BASELINES), help="default: all")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    bench = prepare(options.model, options.problems, options.k, options.tokens, options.dtype)
    figures = measure(bench, options.repeats, options.baselines)
    print(json.dumps(figures, indent=2)) if options.json else show(figures)


if __name__ == "__main__":
    main()
