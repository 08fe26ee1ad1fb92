"""vLLM itself on a small CPU: its options, and engines over one replica that several tests share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from engine.contract import TOLERANCE, assert_equal_steps
from torch import Tensor

from reflectgen.config import HeadConfig, ReflectiveConfig
from reflectgen.engine.branch import Branch
from reflectgen.engine.grading import grade_trace
from reflectgen.engine.grammar import Grammar
from reflectgen.engine.vllm.engine import VLLMEngine
from reflectgen.engine.vllm.fleet import Fleet
from reflectgen.model.checkpoint import write_head
from reflectgen.model.head import SPRMHead
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.steps import Pool
from reflectgen.types import Result

OPTIONS: dict[str, Any] = {
    "enforce_eager": True,
    "max_model_len": 512,
    "kv_cache_memory_bytes": 2**27,
    "block_size": 32,
    "max_num_seqs": 64,
    "max_num_batched_tokens": 96,  # less than two prompts: prefills come in chunks
    "distributed_executor_backend": "uni",
}

LIKELY: dict[str, float] = {"temperature": 0.7, "top_p": 0.95}
"""How texts are drawn that are compared to 1e-4. vLLM's kernels for CPUs round more than PyTorch's: at states far from what a
model would write, single log-probs were 1e-3 off, equally in decoding and in prefill; plain forwards in fp32 and fp64 agree
there to 1e-4."""
UNLIKELY = 2e-3
"""How near they come in texts that no model would write."""


def random_head(folder: Path, **fields: Any) -> Path:
    """A head in `folder`; `fields` are those of `HeadConfig`."""
    torch.manual_seed(0)
    config = HeadConfig(**fields)
    write_head(folder, SPRMHead(config), ReflectiveConfig(head=config))
    return folder


class SharedFleet(Fleet):
    """One whose replicas outlive it."""

    async def close(self) -> None:
        """Leave them."""


def engine_like(engine: VLLMEngine, offset: int = -1, grade_end: bool = False, pool: Pool = "token") -> VLLMEngine:
    """A fresh engine over the same replicas whose head reads otherwise."""
    segmenter = replace(engine.grammar.segmenter, grade_end=grade_end)
    grammar = replace(engine.grammar, offset=offset, segmenter=segmenter, pool=pool)
    return VLLMEngine(SharedFleet(engine.fleet.replicas), grammar)


def compare(model: ReflectiveModel, branches: Sequence[Branch], tolerance: float = TOLERANCE) -> int:
    """What branches report is what a plain forward over them says; return how many steps were compared."""
    for branch in branches:
        steps = grade_trace(model, branch.tree.grammar, branch.tree.prompt, branch.ids, branch.forced)
        assert_equal_steps(branch.steps, steps[: len(branch.steps)], tolerance)
    return sum(len(branch.steps) for branch in branches)


def regrade(model: ReflectiveModel, grammar: Grammar, prompt: Sequence[int], result: Result) -> int:
    """As `compare`, of a finished search."""
    for one in result.trajectories:
        steps = grade_trace(model, grammar, prompt, one.token_ids, one.forced_spans)
        assert_equal_steps(one.steps, steps[: len(one.steps)])
    return sum(len(one.steps) for one in result.trajectories)


def measured(model: ReflectiveModel, prompt: list[int], tokens: list[int]) -> tuple[Tensor, Tensor]:
    """Log-probs of `tokens` and step logits of the states that predict them."""
    with torch.inference_mode():
        output = model(torch.tensor([prompt + tokens]))
    rows = slice(len(prompt) - 1, -1)
    logprobs = output.logits[0, rows].log_softmax(-1).gather(1, torch.tensor(tokens)[:, None])[:, 0]
    assert output.step_logits is not None
    return logprobs, output.step_logits[0, rows]
