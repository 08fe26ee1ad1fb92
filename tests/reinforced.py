"""Reinforcement learning of the bundled model on written traces instead of sampled ones: quick, and the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reflectgen.config import GrpoConfig, JointConfig
from reflectgen.tasks import wordproblems
from reflectgen.train import joint
from reflectgen.train.arguments import arguments
from reflectgen.types import Problem

PROMPTS, K = 4, 4

Write = Callable[[Problem, int], str]
"""(problem, number of the trace among its problem's) -> completion."""


def settings(**changes: Any) -> dict[str, Any]:
    """Four problems of four traces in one update and one pass, no KL term and no entropy bonus."""
    return {
        "model": "tiny",
        "task": {"name": "wordproblems", "limit": 8, "seed": 3},
        "rollouts": {"prompts": PROMPTS, "k": K, "temperature": 1.0, "prompt_tokens": 200, "max_tokens": 60},
        "policy": {"prompts_per_update": PROMPTS, "lr": 1e-4, "kl": 0.0, "entropy": 0.0},
        "spr": {"lr": 1e-3, "warmup": 0.0, "gradient_scale": 1.0},
        "updates": 2,
        "traces_per_pass": PROMPTS * K,
        "precision": "fp32",
        "save_every": 1,
        "samples": 0,
        **changes,
    }


def trainer(folder: Path, *, write: Write | None = None, kind: type[GrpoConfig] = JointConfig, **changes: Any) -> Any:
    """A trainer whose traces are written by `write` (by default by the task itself, right ones and wrong ones)."""
    values = settings(**changes)
    if kind is GrpoConfig:
        values.pop("spr")
    config = kind.model_validate(values)
    made: Any = joint.build(config, arguments(config, folder))
    made.current_gradient_accumulation_steps = made.args.gradient_accumulation_steps
    made.state.max_steps = config.updates
    made.model.train()
    silence_dropout(made.model)
    script(made, write or written)
    return made


def silence_dropout(model: torch.nn.Module) -> None:
    """No dropout, so that passes can be compared."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def written(problem: Problem, sample: int) -> str:
    """A solution of the corpus; the even ones are without misconceptions."""
    return wordproblems.trace(problem, sample, None if sample % 2 else 0.0).completion


def script(made: Any, write: Write) -> None:
    """Let the trainer's traces be what `write` writes: the end-of-text token follows, unless the text ends in an ellipsis."""
    by_prompt = {tuple(made.encode(problem.text)): problem for problem in made.examiner.problems}

    def generate(prompt_ids: list[list[int]], images: None, fields: dict[str, Any], count: int) -> tuple[list[list[int]], None]:
        first = made.accelerator.process_index * len(prompt_ids)
        rows = enumerate(prompt_ids, first)
        return [_ids(made, write(by_prompt[tuple(ids)], row % count)) for row, ids in rows], None

    made._generate_single_turn = generate


def _ids(made: Any, text: str) -> list[int]:
    ids: list[int] = made.examiner.table.encode(text.removesuffix("..."))
    return ids if text.endswith("...") else [*ids, made.processing_class.eos_token_id]


def rollouts(made: Any) -> dict[str, Tensor]:
    """The traces of this rank of the first round of sampling, as one pass gets them."""
    dataset, rank = made.train_dataset, made.accelerator.process_index
    rows = [dataset[index] for index in range(made.args.generation_batch_size // K) for _ in range(K)]
    own = len(rows) // made.accelerator.num_processes
    inputs: dict[str, Tensor] = made._generate_and_score_completions(rows[rank * own : (rank + 1) * own])
    return inputs


def gradients(made: Any, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The gradient of every parameter that has one, after one backward pass."""
    made.model.zero_grad()
    made.compute_loss(made.model, inputs).backward()
    return {name: weight.grad.clone() for name, weight in made.model.named_parameters() if weight.grad is not None}
