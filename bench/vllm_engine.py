"""How fast branches are drawn and graded over vLLM, beside vLLM alone and beside the local engine.

    python bench/vllm_engine.py [--model DIR] [--problems 8] [--k 8] [--tokens 64] [--repeats 3]

All ways run in one process on the same weights, prompts, dtype and sampling, one after the other in every repeat. Every row
gets exactly as many tokens. Figures are tokens per second.

- vllm: branches over vLLM, its model with the head inside.
- vllm_logprobs: the same branches over vLLM's own class, which is asked for one log-prob a token: no head, no confidence.
- vllm_alone: vLLM's own class and its `generate`, no log-probs, one answer a row when it is whole.
- local: the local engine.

`scoring_overhead` is time a token of vllm over that of vllm_logprobs, less one: what head, confidence and their way out cost.
A model without a head gets a random one. On a GPU leave --kv-cache away; on a CPU it is bytes for each of the two vLLMs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from engine import Bench, local, prepare

from reflectgen.config import Sampling
from reflectgen.engine.vllm.build import reader_of, vllm_options
from reflectgen.engine.vllm.channel import Reader, Row
from reflectgen.engine.vllm.engine import VLLMEngine
from reflectgen.engine.vllm.fleet import Fleet
from reflectgen.engine.vllm.heads import overrides
from reflectgen.engine.vllm.inprocess import InProcess
from reflectgen.load import locate
from reflectgen.model.checkpoint import HEAD_FILE, write_head


class OneLogprob:
    """Reads what a stock vLLM tells of a token: its own log-prob."""

    ids: tuple[int, ...] = ()
    top = 1

    def __init__(self) -> None:
        self.ban: dict[int, float] = {}

    def row(self, token: int, logprobs: Mapping[int, float]) -> Row:
        """The token and its log-prob; nothing else was measured."""
        return Row(token, logprobs[token], 0.0, None)


class KeptFleet(Fleet):
    """One whose replica outlives it."""

    async def close(self) -> None:
        """Leave it."""


async def over_branches(bench: Bench, replica: InProcess, graded: bool) -> float:
    """Tokens per second of branches over `replica`."""
    grammar = replace(bench.grammar, has_head=graded, pool="token")
    engine = VLLMEngine(KeptFleet([replica]), grammar)
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=bench.tokens or 1)
    began = time.perf_counter()
    branches = [branch for prompt in bench.prompts for branch in engine.branches(prompt, bench.k, sampling, seed=0)]
    await asyncio.gather(*(branch.ended() for branch in branches))
    seconds = time.perf_counter() - began
    await engine.close()
    assert all(branch.error is None for branch in branches), branches[0].error
    return sum(len(branch.ids) for branch in branches) / seconds


async def alone(bench: Bench, replica: InProcess) -> float:
    """Tokens per second of vLLM's own `generate`."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    params = SamplingParams(
        temperature=1.0, max_tokens=bench.tokens, ignore_eos=True, detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY
    )

    async def one(number: int, prompt: Sequence[int]) -> int:
        found = 0
        prompts = {"prompt_token_ids": list(prompt)}
        async for output in replica._engine.generate(prompts, params, f"alone-{time.time()}-{number}"):
            found += len(output.outputs[0].token_ids)
        return found

    began = time.perf_counter()
    counts = await asyncio.gather(*(one(number, prompt) for number, prompt in enumerate(bench.rows)))
    return sum(counts) / (time.perf_counter() - began)


async def measure(bench: Bench, graded: InProcess, stock: InProcess, repeats: int) -> list[dict[str, float]]:
    """Interleaved repeats of all ways, after each has run once to warm up."""
    rounds = []
    for number in range(repeats + 1):
        figures = {
            "vllm": await over_branches(bench, graded, True),
            "vllm_logprobs": await over_branches(bench, stock, False),
            "vllm_alone": await alone(bench, stock),
            "local": await asyncio.to_thread(local, bench),
        }
        rounds += [figures] if number else []
    return rounds


def replicas(bench: Bench, model: str, dtype: str, options: Mapping[str, Any], folder: Path) -> tuple[InProcess, InProcess]:
    """vLLM with the head, and vLLM as it is."""
    config = bench.plain.config
    assert bench.plain.head is not None and config is not None
    write_head(folder, bench.plain.head, config)
    own = {**vllm_options(locate(model), bench.plain, True, "cpu", dtype), **options}
    reader: Reader = reader_of(bench.plain, replace(bench.grammar, pool="token"))
    with_head = overrides(type(bench.plain.backbone).__name__, str(folder))
    bare = folder / "bare"
    bare.mkdir()
    for file in Path(own["model"]).iterdir():
        if file.name != HEAD_FILE:
            (bare / file.name).symlink_to(file)
    return InProcess(reader, {**own, "hf_overrides": with_head}), InProcess(OneLogprob(), {**own, "model": str(bare)})


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="a folder, a Hub name or the bundled model (default: %(default)s)")
    parser.add_argument("--problems", type=int, default=8, help="prompts (default: %(default)s)")
    parser.add_argument("--k", type=int, default=8, help="rows a prompt (default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=64, help="tokens a row, exactly (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds that count (default: %(default)s)")
    parser.add_argument("--dtype", default="float32", help="of the weights (default: %(default)s)")
    parser.add_argument("--kv-cache", type=int, help="bytes of vLLM's cache (default: vLLM's own)")
    parser.add_argument("--compiled", action="store_true", help="let vLLM compile the model (default: eager)")
    options = parser.parse_args()
    bench = prepare(options.model, options.problems, options.k, options.tokens, options.dtype)
    given = {
        "enforce_eager": not options.compiled,
        "max_model_len": max(map(len, bench.prompts)) + options.tokens + 8,
        "max_num_seqs": len(bench.rows),
        "kv_cache_memory_bytes": options.kv_cache,
    }
    with tempfile.TemporaryDirectory() as folder:
        graded, stock = replicas(bench, options.model, options.dtype, given, Path(folder))
        rounds = asyncio.run(measure(bench, graded, stock, options.repeats))
        for replica in (graded, stock):
            asyncio.run(replica.close())
    figures = {
        "tokens_per_second": {name: round(median(one[name] for one in rounds), 1) for name in rounds[0]},
        "scoring_overhead": median(one["vllm_logprobs"] / one["vllm"] for one in rounds) - 1,
        "vllm_over_local": median(one["vllm"] / one["local"] for one in rounds),
        "rows": len(bench.rows),
        "tokens": options.tokens,
        "dtype": options.dtype,
        "threads": torch.get_num_threads(),
        "rounds": rounds,
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
