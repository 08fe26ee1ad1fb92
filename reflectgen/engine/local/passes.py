"""The two passes of the local engine: feed what is missing, and decode one token for every live row.

A pass is planned on the event loop as plain arrays and run by the computing thread.

Shapes: R rows (slots low to high - 1), Q new tokens a row, C columns in use, D the backbone's width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reflectgen.engine.local.attention import MaskBuilder
from reflectgen.engine.local.cache import Slots
from reflectgen.engine.sampling import Draw, Knobs, draw, uniforms
from reflectgen.model.reflective import ReflectiveModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """Tokens to feed without drawing: prompts, forced text, what was evicted."""

    low: int
    tokens: NDArray[np.int64]
    """(R, Q); rows with fewer tokens are padded."""
    positions: NDArray[np.int64]
    """(R, Q); padding is written to a column that decoding will write again."""
    used: int
    graded: tuple[tuple[int, tuple[int, int]], ...] = ()
    """(row, half-open range of positions) of the states that the head is to read; the last is one that is fed here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decode:
    """One token to feed and one to draw for each row of slots 0 to R - 1."""

    tokens: NDArray[np.int64]
    """(R,)"""
    positions: NDArray[np.int64]
    """(R,)"""
    keys: NDArray[np.uint64]
    """(R,): the branches' random streams."""
    draws: NDArray[np.uint64]
    """(R,): index of the token that is drawn, within the completion."""
    knobs: Knobs


class Passes:
    """Runs passes of one model over one cache."""

    def __init__(self, model: ReflectiveModel, slots: Slots) -> None:
        self.model = model
        self.slots = slots
        self.device = model.device
        backbone: Any = model.backbone
        self.masks = MaskBuilder(backbone.config.get_text_config(decoder=True), backbone.dtype)

    def fill(self, job: Fill) -> list[float]:
        """Feed the tokens; return the head's logits for `job.graded`."""
        positions = torch.from_numpy(job.positions).to(self.device)
        output = self.model.body(**self._inputs(job.low, job.tokens, positions, job.used))
        self._keep(output.features)
        if not job.graded or output.features is None:
            return []
        rows = [row for row, _ in job.graded]
        columns = [high - 1 - int(job.positions[row, 0]) for row, (_, high) in job.graded]
        windows = [window for _, window in job.graded]
        return self.grade(output.features[rows, columns], [job.low + row for row in rows], windows)

    def decode(self, job: Decode) -> tuple[Draw, Tensor | None]:
        """Feed the pending tokens and draw the next: what was drawn, and the features (R, D) of the states in hand."""
        positions = torch.from_numpy(job.positions).to(self.device).unsqueeze(1)
        inputs = self._inputs(0, job.tokens[:, None], positions, int(job.positions.max()) + 1)
        output = self.model(**inputs, graded=False, logits_to_keep=1)
        self._keep(output.features)
        numbers = uniforms(job.keys, job.draws)
        features = None if output.features is None else output.features[:, -1]
        return draw(output.logits[:, -1], numbers, job.knobs), features

    def grade(self, features: Tensor, slots: Sequence[int], windows: Sequence[tuple[int, int]]) -> list[float]:
        """The head's logits for N steps: on the last state of each (N, D), or on the mean over its window of its slot."""
        read = features if self.slots.states is None else self.slots.states.means(slots, windows)
        logits: list[float] = self.model.grade(read).tolist()
        return logits

    def _keep(self, features: Tensor | None) -> None:
        """Keep the features (R, Q, D) of this pass where means over them are read."""
        if self.slots.states is not None and features is not None:
            self.slots.states.write(features)

    def _inputs(self, low: int, tokens: NDArray[np.int64], positions: Tensor, used: int) -> dict[str, Any]:
        self.slots.aim(low, low + len(tokens), positions, used)
        return {
            "input_ids": torch.from_numpy(tokens).to(self.device),
            "attention_mask": self.masks(positions, used),
            "position_ids": positions,
            "past_key_values": self.slots,
        }
