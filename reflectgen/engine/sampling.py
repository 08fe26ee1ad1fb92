"""Drawing tokens: exact, one uniform number a draw, quick on large vocabularies.

Random streams are counter-based: the uniform of a branch's position depends on (key, position) alone, so what a branch
draws does not depend on what else is in the batch, nor on whether it was moved or recomputed on the way.

A draw inverts the cumulative distribution over tokens in falling order of probability. Nearly all of the mass lies in
the first `HEAD` tokens, so only those are sorted; a row whose draw falls beyond is finished over the whole vocabulary.
That is exact: the distribution is the one that temperature, top-k and top-p ask for. Logits are taken relative to the
row's largest, so that a low temperature does not blow up what rounding leaves.

Top-p is taken of the whole distribution at the row's temperature, also where top-k cuts it shorter (transformers and vLLM
renormalise after top-k; the two differ only where both are set).

Shapes: B rows, V vocabulary, H = min(HEAD, V) candidates, N rows finished over the whole vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from reflectgen.config import Sampling

HEAD = 64
"""Candidates that are sorted before the whole vocabulary is."""
CACHED = 2**17
"""Logits that a core's cache holds beside their temporaries."""
CONFIDENCE_K = 20
"""DeepConf's k (arXiv 2508.15260): token confidence is minus the mean log-prob of the k most likely tokens."""


class Draw(NamedTuple):
    """What was drawn for each row: tokens (B,), their log-probs and the confidences (B,), both at temperature 1."""

    tokens: NDArray[np.int64]
    logprobs: NDArray[np.float64]
    confidences: NDArray[np.float64]


class Knobs(NamedTuple):
    """The sampling of each row as columns (B, 1): temperature, top_p (both fp64) and top_k."""

    temperature: Tensor
    top_p: Tensor
    top_k: Tensor

    @classmethod
    def of(cls, rows: Sequence[Sampling]) -> Knobs:
        """Columns for a list of samplings."""
        table = torch.tensor([(row.temperature, row.top_p, row.top_k) for row in rows], dtype=torch.float64)
        return cls(table[:, :1], table[:, 1:2], table[:, 2:].long())

    @property
    def divisor(self) -> Tensor:
        """What logits are divided by: the temperature, or 1 where that is 0."""
        return self.temperature.masked_fill(self.temperature == 0, 1.0)

    def width(self, vocabulary: int) -> Tensor:
        """Tokens that top-k leaves."""
        return self.top_k.masked_fill(self.top_k == 0, vocabulary).clamp_max(vocabulary)

    def unlimited(self, vocabulary: int) -> Tensor:
        """Whether every token is open."""
        return (self.top_p >= 1) & (self.width(vocabulary) == vocabulary)

    def rows(self, index: Tensor) -> Knobs:
        """The columns of some rows."""
        return Knobs(self.temperature[index], self.top_p[index], self.top_k[index])


def uniforms(keys: NDArray[np.uint64], positions: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Numbers in [0, 1) from (key, position), by the SplitMix64 finaliser over key + position * golden ratio."""
    with np.errstate(over="ignore"):
        x = keys + (positions + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53


def draw(logits: Tensor, numbers: NDArray[np.float64], knobs: Knobs) -> Draw:
    """One token a row from logits (B, V) on any device and uniforms (B,)."""
    values, indices = logits.topk(min(HEAD, logits.shape[-1]), dim=-1)  # (B, H)
    norm = _log_norm(logits, values[:, :1], torch.ones_like(knobs.temperature))
    at_one = bool((knobs.temperature == 1).all())
    scaled = norm if at_one else _log_norm(logits, values[:, :1], knobs.divisor)
    values, indices = values.cpu().double(), indices.cpu()
    peak = values[:, :1]
    values = values - peak
    target = torch.from_numpy(numbers).unsqueeze(-1)
    column, beyond = _invert(values, scaled, target, knobs, logits.shape[-1])
    tokens = indices.gather(1, column)  # (B, 1)
    unlimited = knobs.unlimited(logits.shape[-1])
    for finish, rows in ((_draw_tail, beyond & unlimited), (_draw_sorted, beyond & ~unlimited)):
        if rows.any():
            some = rows.nonzero()[:, 0]
            whole = logits[some.to(logits.device)].cpu().double() - peak[some]
            tokens[some] = finish(whole, indices[some], scaled[some], target[some], knobs.rows(some))
    chosen = logits.gather(1, tokens.to(logits.device)).cpu().double() - peak
    confidences = norm - values[:, :CONFIDENCE_K].mean(dim=-1, keepdim=True)
    return Draw(tokens[:, 0].numpy(), (chosen - norm)[:, 0].numpy(), confidences[:, 0].numpy())


def _draw_tail(logits: Tensor, head: Tensor, norm: Tensor, target: Tensor, knobs: Knobs) -> Tensor:
    """Tokens (N, 1) of rows whose draw falls beyond their head, where all tokens are open: no order is needed behind it."""
    count = head.shape[-1]
    mass = (logits / knobs.divisor - norm).exp()  # (N, V)
    reached = torch.cat([mass.gather(1, head), mass.scatter(1, head, 0.0)], dim=-1).cumsum(dim=-1)  # (N, H + V)
    column = torch.searchsorted(reached, target * reached[:, -1:], right=True).clamp_max(reached.shape[-1] - 1)
    return torch.where(column < count, head.gather(1, column.clamp_max(count - 1)), column - count)


def _draw_sorted(logits: Tensor, head: Tensor, norm: Tensor, target: Tensor, knobs: Knobs) -> Tensor:
    """Tokens (N, 1) of rows whose top-k or top-p reaches beyond their head."""
    values, order = logits.sort(dim=-1, descending=True)
    column, _ = _invert(values, norm, target, knobs, logits.shape[-1])
    return order.gather(1, column)


def _log_norm(logits: Tensor, peak: Tensor, temperature: Tensor) -> Tensor:
    """Log of the sum of exp((logits - peak) / temperature) of each row: (B, V), (B, 1), (B, 1) -> (B, 1), fp64 on the CPU.

    On the CPU a few rows at a time, so that what is computed stays in the processor's cache: three times as fast.
    """
    rows = logits.shape[0] if logits.device.type != "cpu" else max(1, CACHED // logits.shape[1])
    columns = logits, peak.float(), temperature.to(logits.device, torch.float32)
    split = zip(*(column.split(rows) for column in columns), strict=True)
    parts = [torch.logsumexp((part.float() - top).div_(by), -1, True) for part, top, by in split]
    return torch.cat(parts).cpu().double()


def _invert(values: Tensor, norm: Tensor, target: Tensor, knobs: Knobs, vocabulary: int) -> tuple[Tensor, Tensor]:
    """Which of the sorted candidates each row draws (B, 1), and which rows (B, 1) draw beyond them.

    `values` (B, H) are the largest logits less the very largest, in falling order, `norm` (B, 1) the log of the whole sum
    at the row's temperature, `target` (B, 1) the uniforms.
    """
    count = values.shape[-1]
    mass = (values / knobs.divisor - norm).exp()  # (B, H)
    allowed = (mass.cumsum(dim=-1) - mass < knobs.top_p) & (torch.arange(count) < knobs.width(vocabulary))
    kept = mass * allowed
    closed = ~allowed[:, -1:] | (knobs.width(vocabulary) <= count)
    unlimited = knobs.unlimited(vocabulary) & ~closed  # the total over the vocabulary is 1
    total = kept.sum(dim=-1, keepdim=True).masked_fill(unlimited, 1.0)
    column = (kept.cumsum(dim=-1) <= target * total).sum(dim=-1, keepdim=True)
    beyond = ~closed & (~unlimited | (column == count))
    last = allowed.sum(dim=-1, keepdim=True) - 1
    greedy = knobs.temperature == 0
    return torch.minimum(column, last).masked_fill(greedy, 0), beyond & ~greedy
