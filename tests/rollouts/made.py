"""Rows and stores written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reflectgen.rollouts import Header, Rollout, Store, prompt_hash
from reflectgen.types import Cost, Step

STEP = Step(text="", token_span=(0, 2), score=0.75, logit=1.125, logprob=-0.5, confidence=2.0)
COST = Cost(tokens_generated=6, tokens_prefilled=3, tokens_scored=0, forward_passes=4, seconds=0.5)
HEADER = Header(
    task="wordproblems",
    model="tiny",
    backbone="llama-4x128-0123456789abcdef",
    head="sprm-0123456789abcdef",
    engine="local",
    dtype="float32",
    step_rule="paper",
    prompt={"system": "", "tags": ["<think>", "</think>"]},
    sampling={"temperature": 0.5, "top_p": 1.0},
)


def rollout(problem_id: str = "p0", sample: int = 0, **changes: Any) -> Rollout:
    """A row whose numbers are all exact in float32, and its log-probs in float16 too."""
    given: dict[str, Any] = {
        "seed": 0,
        "prompt_hash": prompt_hash((7, 8, 9)),
        "problem": "What is 1 + 1?",
        "prompt_ids": (7, 8, 9),
        "token_ids": (3, 4, 5),
        "token_logprobs": (-0.5, -0.25, 0.0),
        "forced_spans": ((2, 3),),
        "text": "a.\n\n</think>",
        "steps": (STEP,),
        "score": 0.75,
        "logprob": -0.375,
        "confidence": 2.0,
        "tokens": 2,
        "answer": "2",
        "correct": True,
        "finish": "stop",
        "error": None,
        "cost": COST,
    }
    return Rollout(**{"problem_id": problem_id, "sample": sample, **given, **changes})


def store(folder: Path, rows: list[list[Rollout]], **header: Any) -> Store:
    """A store of these shards."""
    made = Store.create(folder, Header(**{**vars_of(HEADER), **header}))
    for index, shard in enumerate(rows):
        made.write_shard(index, shard)
    return made


def vars_of(header: Header) -> dict[str, Any]:
    """The fields of a header."""
    return {name: getattr(header, name) for name in header.__slots__}
