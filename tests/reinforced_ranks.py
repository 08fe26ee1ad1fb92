"""Two updates of joint training on written traces, on one rank in process or on several under torchrun.

    torchrun --nproc_per_node 2 tests/reinforced_ranks.py FOLDER

leaves `FOLDER/<scenario>.pt`: the trained weights, the figures, and what the launch really was.

The optimizer is SGD: Adam's first updates go by the gradient's sign, which rounding turns where the gradient is near 0.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import reinforced
import torch
from leave import leave_together
from reinforced import PROMPTS, K, Write
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from transformers.training_args import OptimizerNames

from reflectgen.train import joint
from reflectgen.types import Problem


def build(folder: Path, passes: int, **changes: Any) -> Any:
    """A trainer whose updates have `passes` passes on one rank, or as many ranks with one pass each."""
    policy = {"prompts_per_update": PROMPTS, "lr": 0.1, "kl": 0.01, "entropy": 0.0}  # TRL averages entropy by rank
    made = reinforced.trainer(folder, traces_per_pass=PROMPTS * K // passes, **{"policy": policy, **changes})
    made.args.optim = OptimizerNames.SGD
    return made


def trained(folder: Path, passes: int, write: Write = reinforced.written, **changes: Any) -> dict[str, Any]:
    """As TRL trains: under DDP where there are several ranks."""
    made = build(folder, passes, write=write, **changes)
    made.train()
    history = [{**line, "ranks": made.accelerator.num_processes} for line in made.state.log_history if "reward" in line]
    kind = str(made.accelerator.distributed_type)
    return {"weights": made.accelerator.unwrap_model(made.model).state_dict(), "history": history, "kind": kind}


def stepped(folder: Path, passes: int, shard: bool = False) -> dict[str, Any]:
    """The trainer's loss, clip and optimizer by hand, so that torch's own sharding can come before them."""
    made = build(folder, passes)
    model, inputs = made.model, reinforced.rollouts(made)
    if shard:
        for block in model.model.layers:
            fully_shard(block)
        fully_shard(model)
    sharded = [isinstance(weight, DTensor) for weight in model.parameters()]
    optimizer = made.create_optimizer()
    norms = []
    for _ in range(2):
        made.compute_loss(model, inputs).backward()
        norms.append(made._clip_grad_norm(model).item())
        optimizer.step()
        optimizer.zero_grad()
    state = model.state_dict()
    whole = {name: weight.full_tensor() if isinstance(weight, DTensor) else weight for name, weight in state.items()}
    return {"weights": whole, "norms": norms, "sharded": all(sharded), "ranks": made.accelerator.num_processes}


def half_silent(problem: Problem, sample: int) -> str:
    """Steps in the first two problems of the run alone: the second of two ranks gets none."""
    text, number = reinforced.written(problem, sample), int(problem.id.rpartition("/")[2])
    return text if number in joint.order(8, PROMPTS, 0)[: PROMPTS // 2] else text.replace(".\n\n", ". ")


OFFICIAL = {"hidden_size": 128, "width": 16, "dropout": 0.0, "step_rule": "official"}
"""Under the official rule a thinking without steps is not graded at all."""

SCENARIOS: dict[str, Callable[..., dict[str, Any]]] = {
    "plain": trained,
    "group": partial(trained, spr={"loss": "group", "warmup": 0.0, "lr": 1e-3}),
    "silent": partial(trained, write=half_silent, head=OFFICIAL, updates=1),
    "sharded": partial(stepped, shard=True),
}
ALONE = {**SCENARIOS, "sharded": stepped}
"""The same on one rank, which has nothing to shard."""


def main(folder: Path) -> None:
    """Run every scenario on all ranks."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, scenario in SCENARIOS.items():
        result = scenario(folder / name, int(os.environ["WORLD_SIZE"]))
        if os.environ["RANK"] == "0":
            torch.save(result, folder / f"{name}.pt")
    leave_together()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
