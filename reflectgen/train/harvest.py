"""One pass of a frozen backbone over stored traces: the states that heads read, kept on disk.

Only wanted states are kept: hooks on the wanted blocks select their rows at once, and nothing else outlives its block. The
LM head is not run, and a trace is fed no further than it is read. The traces of one problem share a prompt, which is fed
once: its keys and values are copied over the rows. Rows are padded on the right, where no kept state sees them; which rows
go together is chosen so that the fewest positions are computed.

On disk there is a folder for each shard, named by a hash of all that its states depend on, and in it a safetensors file
for each reading: {"states": (S, D) float16}. A file appears whole or not at all, so a pass that was killed goes on at the
first shard that is not complete; batches never reach over shards, so the states are the same.

Shapes: R rows of a batch, T tokens, N states that are read, S graded steps, D the backbone's width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import DynamicCache

from reflectgen.errors import ModelError
from reflectgen.model.atomic import replace_file
from reflectgen.model.tap import FINAL_NORMS, anatomy, decoder_of
from reflectgen.train.features import Halves, Reading
from reflectgen.train.spans import Trace

BUDGET = 4096
"""Most positions of one pass; a longer row makes a pass alone."""
PASS = 64
"""What one pass more costs, in positions."""
HALF = torch.finfo(torch.float16).max
"""States beyond it are clamped to it."""


# -- which rows go together --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Batch:
    """Traces that are fed together, by index, after a prefix that all of them begin with."""

    prefix: int
    """Tokens of the prefix; 0 where the rows share nothing."""
    rows: tuple[int, ...]


def plan(traces: Sequence[Trace], lengths: Sequence[int]) -> list[Batch]:
    """Batches of all traces that are read, whose first `lengths` tokens are fed.

    Neighbours with equal prompts share them, up to their last token: the state at that one may be read.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, trace in enumerate(traces):
        if lengths[index]:
            groups.setdefault(trace.prompt, []).append(index)
    shared = {prompt: rows for prompt, rows in groups.items() if len(rows) > 1 and len(prompt) > 1}
    alone = [index for prompt, rows in groups.items() if prompt not in shared for index in rows]
    return [
        *(batch for prompt, rows in shared.items() for batch in _batches(len(prompt) - 1, rows, lengths)),
        *_batches(0, alone, lengths),
    ]


def _batches(prefix: int, rows: Sequence[int], lengths: Sequence[int]) -> list[Batch]:
    order = sorted(rows, key=lambda index: -lengths[index])
    cuts = partition([lengths[index] - prefix for index in order])
    return [Batch(prefix, tuple(order[low:high])) for low, high in cuts]


def partition(lengths: Sequence[int], budget: int = BUDGET, overhead: int = PASS) -> list[tuple[int, int]]:
    """Cut `lengths`, the longest first, into runs: the sum over runs of overhead + rows x longest is the least.

    No run of more than one row has more than `budget` positions.
    """
    costs, begins = [0], [0]
    for high in range(1, len(lengths) + 1):
        best = min(_runs(lengths, costs, high, budget, overhead))
        costs.append(best[0])
        begins.append(best[1])
    cuts, high = list[tuple[int, int]](), len(lengths)
    while high:
        cuts.append((begins[high], high))
        high = begins[high]
    return cuts[::-1]


def _runs(lengths: Sequence[int], costs: Sequence[int], high: int, budget: int, overhead: int) -> Iterator[tuple[int, int]]:
    """(cost of everything up to `high`, where its last run begins) for each last run that fits the budget."""
    for low in range(high - 1, -1, -1):
        positions = (high - low) * lengths[low]
        if positions > budget and high - low > 1:
            return
        yield costs[low] + overhead + positions, low


# -- the pass ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gather:
    """Where the states of some steps lie in the (R, T, D) output of a block."""

    row: Tensor
    """(N,)"""
    column: Tensor
    """(N,)"""
    step: Tensor
    """Which step each state is read for (N,), counted within the batch."""
    counts: Tensor
    """States of each step (S,)."""

    @classmethod
    def of(cls, traces: Sequence[Trace], prefix: int, reading: Reading, device: torch.device) -> Self:
        """What `reading` reads of a batch."""
        row, column, counts = [], [], []
        for index, trace in enumerate(traces):
            for step in range(len(trace.spans)):
                columns = [position - prefix for position in trace.positions(step, reading)]
                row += [index] * len(columns)
                column += columns
                counts.append(len(columns))
        size = torch.tensor(counts, device=device)
        where = (torch.tensor(row, device=device), torch.tensor(column, device=device))
        return cls(*where, torch.repeat_interleave(torch.arange(len(counts), device=device), size), size)

    def states(self, output: Tensor, norm: nn.Module | None) -> Tensor:
        """Their means by step: (R, T, D) -> (S, D), float16."""
        read = output[self.row, self.column]  # (N, D)
        read = (read if norm is None else norm(read)).float()
        if len(read) > len(self.counts):
            sums = read.new_zeros(len(self.counts), read.shape[1]).index_add_(0, self.step, read)
            read = sums / self.counts.unsqueeze(1)
        return read.clamp(-HALF, HALF).half().cpu()


class Reader:
    """Reads states off the passes of a frozen backbone; a context manager, since it hooks the backbone's blocks."""

    def __init__(self, backbone: nn.Module, readings: Sequence[Reading]) -> None:
        """Raises `ModelError` where the backbone has no such layer, or no final norm that is known by name."""
        self._decoder, self._readings = decoder_of(backbone), readings
        self._config: Any = backbone.config
        self._device = next(backbone.parameters()).device
        self._gathers: dict[Reading, Gather] = {}
        self._found: dict[Reading, Tensor] = {}
        parts = anatomy(backbone)
        for reading in readings:
            check_layer(reading, len(parts.blocks), parts.norm)
        self._norm = parts.norm
        self._hooks = [parts.blocks[layer].register_forward_hook(self._keeper(layer)) for layer in {r.layer for r in readings}]

    def _keeper(self, layer: int) -> Callable[..., None]:
        wanted = [reading for reading in self._readings if reading.layer == layer]

        def keep(block: nn.Module, args: Any, output: Any) -> None:
            states = output[0] if isinstance(output, tuple) else output  # (R, T, D)
            for reading in wanted if self._gathers else ():
                self._found[reading] = self._gathers[reading].states(states, self._norm if reading.norm else None)

        return keep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for hook in self._hooks:
            hook.remove()

    @torch.inference_mode()
    def read(self, traces: Sequence[Trace], progress: Callable[[int], None] = lambda done: None) -> dict[Reading, Tensor]:
        """The states (S, D) of all graded steps of `traces`, in order; `progress` is told how many traces are done."""
        lengths = [trace.length(self._readings) for trace in traces]
        steps = [len(trace.spans) for trace in traces]
        firsts = torch.tensor([0, *steps]).cumsum(0).tolist()
        width = self._config.get_text_config(decoder=True).hidden_size
        states = {reading: torch.zeros(sum(steps), width, dtype=torch.float16) for reading in self._readings}
        prefix: tuple[tuple[int, ...], Any] = ((), None)
        done = 0
        for batch in plan(traces, lengths):
            shared = traces[batch.rows[0]].prompt[: batch.prefix]
            if shared != prefix[0]:
                prefix = (shared, self._prefill(shared))
            found = self._pass(batch, traces, lengths, prefix[1])
            places = torch.cat([torch.arange(firsts[row], firsts[row + 1]) for row in batch.rows])
            for reading in self._readings:
                states[reading][places] = found[reading]
            done += len(batch.rows)
            progress(done)
        return states

    def _prefill(self, shared: tuple[int, ...]) -> Any:
        """The cache after a prefix; None for an empty one."""
        if not shared:
            return None
        self._gathers = {}
        cache = DynamicCache(config=self._config)
        self._feed([shared], 0, cache)
        return cache

    def _pass(self, batch: Batch, traces: Sequence[Trace], lengths: Sequence[int], cache: Any) -> Mapping[Reading, Tensor]:
        rows = [traces[index] for index in batch.rows]
        shapes: dict[tuple[int, str], Gather] = {}
        for reading in self._readings:
            shape = (reading.offset, reading.pool)
            if shape not in shapes:
                shapes[shape] = Gather.of(rows, batch.prefix, reading, self._device)
            self._gathers[reading] = shapes[shape]
        if cache is not None:
            cache = deepcopy(cache)
            cache.batch_repeat_interleave(len(rows))
        fed = [(*traces[index].prompt, *traces[index].completion)[batch.prefix : lengths[index]] for index in batch.rows]
        self._feed(fed, batch.prefix, cache)
        return self._found

    def _feed(self, rows: Sequence[Sequence[int]], start: int, cache: Any) -> None:
        """Run the decoder over `rows`, the first tokens of which are at position `start`."""
        longest = max(map(len, rows))
        ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=self._device)  # (R, T)
        positions = torch.arange(start, start + longest, device=self._device).expand(len(rows), -1)
        self._decoder(input_ids=ids, position_ids=positions, past_key_values=cache, use_cache=cache is not None)


def check_layer(reading: Reading, blocks: int, norm: nn.Module | None) -> None:
    """Raise `ModelError` where a backbone of that many blocks and with that final norm has no such states."""
    if not -blocks <= reading.layer < 0:
        raise ModelError(f"The head is to read layer {reading.layer}, but the backbone has only {blocks} blocks.")
    if reading.norm and norm is None:
        raise ModelError(f"The backbone has no final norm of a known name ({', '.join(FINAL_NORMS)}): leave head.norm out.")


# -- on disk -----------------------------------------------------------------------------------------------------------


def states_file(folder: Path, reading: Reading) -> Path:
    """Where the states of a shard lie."""
    return folder / f"{reading}.safetensors"


def write_states(folder: Path, states: Mapping[Reading, Tensor]) -> None:
    """Write the states of a shard, each reading's whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for reading, values in states.items():
        with replace_file(states_file(folder, reading)) as scratch:
            save_file({"states": values}, scratch)


def read_states(folders: Sequence[Path], reading: Reading) -> Halves:
    """The states of some shards, one after the other (S, D)."""
    return np.concatenate([load_file(states_file(folder, reading))["states"] for folder in folders])
