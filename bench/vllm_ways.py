"""The ways of `bench/engine.py` that go over vLLM in this process.

- vllm: branches over vLLM, its model with the head inside.
- vllm_logprobs: the same branches over vLLM's own class, which is asked for one log-prob a token: no head, no confidence.
- vllm_alone: vLLM's own class and its `generate`, no log-probs, one answer a row when it is whole.

Two vLLMs live beside each other, and keep what they cached of the prompts from one repeat to the next. A request of the first
two ways may end sooner where the head reads whole steps: then every step is one.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rows import LONGEST, Bench, draw

from reflectgen.engine.vllm.build import reader_of, vllm_options
from reflectgen.engine.vllm.channel import Row
from reflectgen.engine.vllm.engine import VLLMEngine
from reflectgen.engine.vllm.fleet import Fleet
from reflectgen.engine.vllm.heads import overrides, processors
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


@contextmanager
def vllm_ways(bench: Bench, model: str, options: Mapping[str, Any]) -> Iterator[dict[str, Callable[[Bench], float]]]:
    """The ways by name; `options` are vLLM's own. All of them run on one event loop, on which vLLM insists."""
    room = max(map(len, bench.prompts)) + (bench.tokens or 2 * LONGEST) + 8
    given = {"max_model_len": min(room, bench.plain.context), "max_num_seqs": len(bench.rows), **options}
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        graded, stock = _replicas(bench, model, given, Path(folder))
        try:
            yield {
                "vllm": lambda bench: runner.run(over_branches(bench, graded, True)),
                "vllm_logprobs": lambda bench: runner.run(over_branches(bench, stock, False)),
                "vllm_alone": lambda bench: runner.run(alone(bench, stock)),
            }
        finally:
            for replica in (graded, stock):
                runner.run(replica.close())


async def over_branches(bench: Bench, replica: InProcess, graded: bool) -> float:
    """Tokens per second of branches over `replica`."""
    return await draw(bench, VLLMEngine(KeptFleet([replica]), replace(bench.grammar, has_head=graded)))


async def alone(bench: Bench, replica: InProcess) -> float:
    """Tokens per second of vLLM's own `generate`."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    params = SamplingParams(
        temperature=1.0,
        max_tokens=bench.tokens or LONGEST,
        ignore_eos=True,
        stop_token_ids=sorted(bench.grammar.eos),
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
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


def _replicas(bench: Bench, model: str, options: Mapping[str, Any], folder: Path) -> tuple[InProcess, InProcess]:
    """vLLM with the head, and vLLM as it is."""
    config = bench.plain.config
    assert bench.plain.head is not None and config is not None
    write_head(folder, bench.plain.head, config)
    dtype = str(next(bench.plain.backbone.parameters()).dtype).removeprefix("torch.")
    own = {**vllm_options(locate(model), bench.plain, True, "cpu", dtype), **options}
    with_head = {
        "hf_overrides": overrides(type(bench.plain.backbone).__name__, str(folder)),
        "logits_processors": processors(config.head) or None,
    }
    bare = folder / "bare"
    bare.mkdir()
    for file in Path(own["model"]).iterdir():
        if file.name != HEAD_FILE:
            (bare / file.name).symlink_to(file)
    reader = reader_of(bench.plain, bench.grammar)
    return InProcess(reader, {**own, **with_head}), InProcess(OneLogprob(), {**own, "model": str(bare)})
