"""How fast the local engine, or vLLM, is beside what people would use instead, and what grading costs.

    python bench/engine.py [--engine local|vllm] [--model DIR] [--problems 32] [--k 8] [--tokens N] [--repeats 3] [--json]

All ways run in one process on the same weights, prompts, dtype and sampling, one after the other in every repeat, so
that a slow moment of the machine hits all of them. Figures are tokens kept per second; a ratio is the median over
repeats of the local engine's figure over the other's of the same repeat.

- transformers_generate: `generate`, all rows in one call.
- transformers_generate_one_problem: `generate`, one problem's k rows a call, as a loop over problems does it.
- transformers_continuous_batching: `generate_batch`, transformers' own continuous batching, with a paged cache.
- two_pass: the authors' way: `generate`, all rows in one call, then a second copy of the model re-reads every trace.
- fused_overhead: time a token with the head over time a token without it, less one; both draw the same tokens.
- k32_over_k8: time a token at k = 32 over that at k = 8, for the same number of rows.

With `--engine vllm` the ways of `bench/vllm_ways.py` stand beside the local engine and the baselines, in place of k32_over_k8:

- vllm_overhead: time a token of vllm over that of vllm_logprobs, less one: what head, confidence and their way out cost.

Without --tokens every row ends where the model ends it; with it all rows get exactly that many tokens. A model without
a head gets the one that ships for it, or a random one. On a GPU leave --kv-cache away; on a CPU it is bytes for each of
the two vLLMs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from rows import LONGEST, Bench, draw, prepare
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from reflectgen.engine.local.engine import LocalEngine
from reflectgen.model.reflective import ReflectiveModel

Way = Callable[[Bench], float]
"""Tokens per second."""


def local(bench: Bench, *, graded: bool = True) -> float:
    """Tokens per second of the local engine."""
    model = bench.slots if graded else ReflectiveModel(bench.slots.backbone)
    rule = replace(bench.grammar, has_head=graded)
    return asyncio.run(draw(bench, LocalEngine(model, rule)))


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


BASELINES: dict[str, Way] = {
    "transformers_generate": lambda bench: generate(bench)[0],
    "transformers_generate_one_problem": generate_one_problem,
    "transformers_continuous_batching": continuous_batching,
    "two_pass": two_pass,
}


def local_ways() -> dict[str, Way]:
    """The local engine, with and without its head."""
    return {"local": local, "local_ungraded": lambda bench: local(bench, graded=False)}


def batch_ways(bench: Bench) -> dict[str, Way]:
    """The local engine with as many rows of few problems as of many."""
    wide = max(1, len(bench.rows) // 32)
    return {
        "local_k8": lambda bench: local(replace(bench, prompts=bench.prompts[: 4 * wide], k=8)),
        "local_k32": lambda bench: local(replace(bench, prompts=bench.prompts[:wide], k=32)),
    }


OVERHEADS = {"fused_overhead": ("local_ungraded", "local"), "vllm_overhead": ("vllm_logprobs", "vllm")}
"""Name -> the way without grading and the way with it."""


def measure(bench: Bench, repeats: int, ways: Mapping[str, Way]) -> dict[str, Any]:
    """Interleaved repeats of all ways, after each has run once on a single prompt to warm up."""
    for way in ways.values():
        way(replace(bench, prompts=bench.prompts[:1], k=2))
    rounds = [{name: way(bench) for name, way in ways.items()} for _ in range(repeats)]
    pairs = {name: pair for name, pair in OVERHEADS.items() if pair[0] in ways}
    figures: dict[str, Any] = {
        "ratios": {name: _median_ratio(rounds, "local", name) for name in ways if not name.startswith("local")},
        **{name: _median_ratio(rounds, *pair) - 1 for name, pair in pairs.items()},
    }
    if "local_k32" in ways:
        figures["k32_over_k8"] = _median_ratio(rounds, "local_k8", "local_k32")
    return {
        **figures,
        "tokens_per_second": {name: median(one[name] for one in rounds) for name in ways},
        "rows": len(bench.rows),
        "dtype": str(next(bench.plain.backbone.parameters()).dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "repeats": repeats,
    }


def _median_ratio(rounds: list[dict[str, float]], above: str, below: str) -> float:
    return median(one[above] / one[below] for one in rounds)


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
    told = [f"{name} {figures[name]:+.1%}" for name in OVERHEADS if name in figures]
    told += [f"k = 32 over k = 8: {figures['k32_over_k8']:.3f}"] if "k32_over_k8" in figures else []
    Console().print("; ".join(told))


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default="local", choices=["local", "vllm"], help="what is measured (default: %(default)s)")
    parser.add_argument("--model", default="tiny", help="a folder, a Hub name or the bundled model (default: %(default)s)")
    parser.add_argument("--problems", type=int, default=32, help="prompts (default: %(default)s)")
    parser.add_argument("--k", type=int, default=8, help="rows a prompt (default: %(default)s)")
    parser.add_argument("--tokens", type=int, help="tokens a row, exactly (default: until the model ends it)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds that count (default: %(default)s)")
    parser.add_argument("--dtype", default="auto", help="of the weights (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="torch threads (default: torch's own)")
    parser.add_argument("--baselines", nargs="*", default=list(BASELINES), choices=list(BASELINES), help="default: all")
    parser.add_argument("--kv-cache", type=int, help="bytes of vLLM's cache (default: vLLM's own)")
    parser.add_argument("--compiled", action="store_true", help="let vLLM compile the model (default: eager)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    bench = prepare(options.model, options.problems, options.k, options.tokens, options.dtype)
    with ExitStack() as stack:
        ways = local_ways()
        if options.engine == "vllm":
            from vllm_ways import vllm_ways

            given = {"enforce_eager": not options.compiled, "kv_cache_memory_bytes": options.kv_cache}
            ways |= stack.enter_context(vllm_ways(bench, options.model, given))
        else:
            ways |= batch_ways(bench)
        ways |= {name: BASELINES[name] for name in options.baselines}
        figures = measure(bench, options.repeats, ways)
    print(json.dumps(figures, indent=2)) if options.json else show(figures)


if __name__ == "__main__":
    main()
