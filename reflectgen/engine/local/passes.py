"""The two passes of the local engine: feed what is missing, and decode one token for every live row.

A pass is planned on the event loop as plain arrays and run by the computing thread.

Shapes: R rows (slots low to high - 1), Q new tokens a row, C columns in use, D the backbone's width, V vocabulary.
"""

from __future__ import annotations

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
    graded: tuple[tuple[int, int], ...] = ()
    """(row, column) of the states that the head is to read."""


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
        config = model.backbone.config.get_text_config(decoder=True)  # type: ignore[union-attr, operator]
        self.masks = MaskBuilder(config, next(model.backbone.parameters()).dtype)

    def fill(self, job: Fill) -> list[float]:
        """Feed the tokens; return the head's logits for `job.graded`."""
        positions = torch.from_numpy(job.positions).to(self.device)
        output = self.model.body(**self._inputs(job.low, job.tokens, positions, job.used))
        if not job.graded or output.features is None:
            return []
        rows, columns = zip(*job.graded, strict=True)
        return self.grade(output.features[list(rows), list(columns)])

    def decode(self, job: Decode) -> tuple[Draw, Tensor | None]:
        """Feed the pending tokens and draw the next: what was drawn, and the features (R, D) of the states in hand."""
        positions = torch.from_numpy(job.positions).to(self.device).unsqueeze(1)
        inputs = self._inputs(0, job.tokens[:, None], positions, int(job.positions.max()) + 1)
        output = self.model(**inputs, graded=False, logits_to_keep=1)
        numbers = uniforms(job.keys, job.draws)
        features = None if output.features is None else output.features[:, -1]
        return draw(output.logits[:, -1], numbers, job.knobs), features

    def grade(self, features: Tensor) -> list[float]:
        """The head's logits for features (N, D)."""
        logits: list[float] = self.model.grade(features).tolist()
        return logits

    def _inputs(self, low: int, tokens: NDArray[np.int64], positions: Tensor, used: int) -> dict[str, Any]:
        self.slots.aim(low, low + len(tokens), positions, used)
        return {
            "input_ids": torch.from_numpy(tokens).to(self.device),
            "attention_mask": self.masks(positions, used),
            "position_ids": positions,
            "past_key_values": self.slots,
        }
