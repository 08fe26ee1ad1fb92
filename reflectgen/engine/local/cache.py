"""The KV cache as slots: one row of memory for each branch, side by side, under a budget of bytes.

A transformers `Cache` whose layers own one tensor (S, G, C, D) for keys and one for values. A pass runs over a
contiguous range of slots and sees a view of it, so decoding copies nothing; branches that leave are replaced by moving
one row. Where the head reads the mean over a step's states, those are kept in the same slots, so that forks, evictions
and moves need nothing of their own. The tensors grow and shrink in both directions while their sum stays under the budget
at every moment: a resize replaces one part at a time, and the largest part's share of the budget is kept free for that.

Shapes: S slots, G KV heads, C columns (tokens), D head width (of states: the backbone's), R rows of a pass, Q new tokens,
N steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from reflectgen.errors import CapacityError

COLUMNS = 64
"""Columns are allocated in multiples of this."""


class Part:
    """Tensors (S, ..., C, D): a column for each token of each slot. They are allocated by the first pass."""

    NAMES: ClassVar[tuple[str, ...]]
    is_initialized = False

    @property
    def tensors(self) -> list[Tensor]:
        """All of them; none before the first pass."""
        return [getattr(self, name) for name in self.NAMES] if self.is_initialized else []

    def resize(self, slots: int, columns: int, kept: int) -> None:
        """Allocate (slots, columns), keeping what fits of the first `kept` slots."""
        for name in self.NAMES:
            old = getattr(self, name)
            new = old.new_zeros(slots, *old.shape[1:-2], columns, old.shape[-1])
            width = min(columns, old.shape[-2])
            new[:kept, ..., :width, :] = old[:kept, ..., :width, :]
            setattr(self, name, new)


class States(Part):
    """The states that the head reads, of all slots."""

    NAMES = ("states",)

    def __init__(self, owner: Slots) -> None:
        self.owner = owner

    def write(self, features: Tensor) -> None:
        """Keep the features (R, Q, D) of the pass that `owner` was aimed at."""
        if not self.is_initialized:
            self.states = features.new_zeros(self.owner.slots, self.owner.columns, features.shape[-1])
            self.is_initialized = True
        self.states[self.owner.low : self.owner.high][self.owner.rows, self.owner.positions] = features

    def means(self, slots: Sequence[int], windows: Sequence[tuple[int, int]]) -> Tensor:
        """Mean in fp32 over a half-open range of a slot's columns, for each step: (N, D)."""
        picked = zip(slots, windows, strict=True)
        return torch.stack([self.states[slot, low:high].float().mean(dim=0) for slot, (low, high) in picked])


class SlotLayer(Part, CacheLayerMixin):
    """Keys and values of one layer for all slots."""

    NAMES = ("keys", "values")
    is_sliding = False

    def __init__(self, owner: Slots) -> None:
        super().__init__()
        self.owner = owner

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Learn this layer's shapes from the first pass through it."""
        slots, columns = self.owner.slots, self.owner.columns
        self.keys = key_states.new_zeros(slots, key_states.shape[1], columns, key_states.shape[3])
        self.values = value_states.new_zeros(slots, value_states.shape[1], columns, value_states.shape[3])
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write the new columns (R, G, Q, D) and return views of all columns in use (R, G, C, D)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        low, high, used = self.owner.low, self.owner.high, self.owner.used
        rows, at = self.owner.rows, self.owner.positions  # (R, 1), (R, Q)
        keys, values = self.keys[low:high], self.values[low:high]
        keys[rows, :, at] = key_states.transpose(1, 2)
        values[rows, :, at] = value_states.transpose(1, 2)
        return keys[:, :, :used], values[:, :, :used]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns and offset that a mask covers."""
        return self.owner.used, 0

    def get_seq_length(self) -> int:
        """Columns in use."""
        return self.owner.used

    def get_max_length(self) -> int:
        """Columns there are."""
        return self.owner.columns


class Slots(Cache):
    """All layers' slots, and the range of them that the present pass runs over."""

    def __init__(self, layers: int, budget: int, *, states: bool = False) -> None:
        """`states` keeps the states that the head reads beside the keys and values."""
        super().__init__(layers=[SlotLayer(self) for _ in range(layers)])
        self.states = States(self) if states else None
        self.parts: list[Part] = [*self.layers, *([self.states] if self.states else [])]
        self.budget = budget
        """Bytes that all parts together never exceed."""
        self.slots, self.columns = 1, COLUMNS
        self.token_bytes = 0
        """Bytes of one column of one slot over all parts, and once more over the largest; known after the first pass."""
        self.aim(0, 1, torch.zeros(1, 1, dtype=torch.long), 1)

    def aim(self, low: int, high: int, positions: Tensor, used: int) -> None:
        """The next pass runs over slots [low, high) and writes columns `positions` (R, Q) of the first `used`."""
        self.low, self.high, self.used = low, high, used
        self.positions = positions
        self.rows = torch.arange(high - low, device=positions.device).unsqueeze(1)

    def measure(self) -> None:
        """Learn the size of a column from the first pass; raises where the budget holds not even one block."""
        largest = max(_bytes(part) for part in self.parts)
        self.token_bytes = (self.bytes + largest) // (self.slots * self.columns)
        if self.most_columns < COLUMNS:
            raise CapacityError(
                f"A cache budget of {self.budget // 2**10} KiB holds no branch of this model: "
                f"give at least {-(-COLUMNS * self.token_bytes // 2**10)}K with --kv-budget."
            )

    @property
    def bytes(self) -> int:
        """Bytes allocated now."""
        return sum(_bytes(part) for part in self.parts)

    @property
    def most_columns(self) -> int:
        """Columns that one slot alone could have."""
        return self.budget // self.token_bytes

    def most_slots(self, columns: int) -> int:
        """Slots that the budget allows at `columns` columns each."""
        return self.budget // (self.token_bytes * columns)

    def resize(self, slots: int, columns: int, kept: int) -> None:
        """Allocate (slots, columns) one part after the other, keeping the first `kept` slots."""
        for part in self.parts:
            part.resize(slots, columns, kept)
        self.slots, self.columns = slots, columns

    def copy(self, source: int, target: int, columns: int) -> None:
        """Copy the first `columns` columns of one slot to another."""
        for part in self.parts:
            for tensor in part.tensors:
                tensor[target, ..., :columns, :] = tensor[source, ..., :columns, :]

    def swap(self, one: int, other: int, columns: int) -> None:
        """Exchange the first `columns` columns of two slots."""
        for part in self.parts:
            for tensor in part.tensors:
                spare = tensor[one, ..., :columns, :].clone()
                tensor[one, ..., :columns, :] = tensor[other, ..., :columns, :]
                tensor[other, ..., :columns, :] = spare


def _bytes(part: Part) -> int:
    """Bytes that a part has allocated."""
    return sum(tensor.nbytes for tensor in part.tensors)
