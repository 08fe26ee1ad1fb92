"""What each process of a test with several ranks does: every loss through a wrapped head, gradients to a file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from leave import leave_together
from loss_cases import NO_STEPS, WHOLE, Trace, batch, plain
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from reflectgen.train.loss import LOSSES, Graded, named_loss

Case = tuple[str, bool]
"""Name of a loss, and whether the first rank has no step."""
CASES: list[Case] = [(name, empty) for name in LOSSES for empty in (False, True)]


def of_rank(case: Case, rank: int, ranks: int) -> Graded:
    """The part of the six traces that a rank holds."""
    name, empty = case
    traces: Sequence[Trace] = plain(NO_STEPS if empty else WHOLE, labelled=name == "soft")
    size = len(traces) // ranks
    mine = traces[rank * size : (rank + 1) * size]
    return batch(mine, first=rank * size, total=len(traces), dtype=torch.float32, labelled=name == "soft")


def gradients(head: nn.Module, graded: Graded, case: Case) -> list[float]:
    """Loss, and gradients of a head (Linear(1, 1), begun as the identity), whose states are the batch's logits."""
    inner = head.module if isinstance(head, DistributedDataParallel) else head
    with torch.no_grad():
        inner.weight.fill_(1.0)
        inner.bias.fill_(0.0)
    head.zero_grad()
    logits = head(graded.logits.detach().unsqueeze(1)).squeeze(1)
    loss, _ = named_loss(case[0])(replace(graded, logits=logits), _summed if dist.is_initialized() else lambda table: table)
    loss.backward()
    return [loss.item(), inner.weight.grad.item(), inner.bias.grad.item()]


def _summed(table: Tensor) -> Tensor:
    dist.all_reduce(table)
    return table


def run(rank: int, folder: str) -> None:
    """One of two ranks."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    assert dist.get_world_size() == 2
    head = DistributedDataParallel(nn.Linear(1, 1))
    found = {str(case): gradients(head, of_rank(case, rank, 2), case) for case in CASES}
    if rank == 0:
        (Path(folder) / "gradients.json").write_text(json.dumps(found))
    leave_together()
