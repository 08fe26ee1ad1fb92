"""Measure and grade a finished trace in one plain pass over it, or in as many as its length asks for.

Shapes: T tokens of prompt and completion together, N tokens of the completion, V vocabulary, S steps, D the backbone's
width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from reflectgen.engine.grammar import Grammar
from reflectgen.engine.record import Spans, Trace, read_windows, trace_steps
from reflectgen.engine.sampling import CONFIDENCE_K
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.types import Step

ROWS = 256
"""Positions whose log-probs over the whole vocabulary are in memory at once."""
PIECE = 1024
"""Positions of a pass, whose logits are: so that a long trace needs no more memory for them than a short one."""


def measure(logits: Tensor, tokens: Tensor) -> tuple[list[float], list[float]]:
    """Log-probs and confidences at temperature 1 of `tokens` (N,), drawn or given, from the logits (N, V) before each."""
    chosen: list[float] = []
    confidences: list[float] = []
    for begin in range(0, len(tokens), ROWS):
        rows = slice(begin, begin + ROWS)
        logprobs = torch.log_softmax(logits[rows].float(), dim=-1)  # (R, V)
        chosen += logprobs.gather(1, tokens[rows].unsqueeze(1)).squeeze(1).tolist()
        top = logprobs.topk(min(CONFIDENCE_K, logprobs.shape[-1]), dim=-1).values  # (R, k)
        confidences += (-top.mean(dim=-1)).tolist()
    return chosen, confidences


def window_means(features: Tensor, windows: Sequence[tuple[int, int]]) -> Tensor:
    """What the head reads: the mean in fp32 of features (T, D) over each of the half-open ranges, (S, D)."""
    return torch.stack([features[low:high].float().mean(dim=0) for low, high in windows])


@torch.inference_mode()
def grade_trace(
    model: ReflectiveModel, grammar: Grammar, prompt: Sequence[int], completion: Sequence[int], forced: Spans = ()
) -> tuple[Step, ...]:
    """The steps that decoding `completion` after `prompt` would have reported, had the tokens in `forced` been forced.

    Without a prompt nothing predicts the first token: it counts as forced.
    """
    if not completion:
        return ()
    unpredicted = 0 if prompt else 1
    forced = forced if prompt else [(0, 1), *forced]
    tokens = torch.tensor([*prompt, *completion], device=model.device)  # (T,)
    logprobs, confidences, features = _read(model, tokens, len(prompt) + unpredicted)
    blank = [0.0] * unpredicted
    trace = Trace(
        prompt=prompt, completion=completion, forced=forced, logprobs=blank + logprobs, confidences=blank + confidences
    )
    windows = read_windows(grammar, prompt, completion, forced)
    if features is None or not windows:
        return trace_steps(grammar, trace, [None] * len(windows))
    return trace_steps(grammar, trace, model.grade(window_means(features, windows)).tolist())


def _read(model: ReflectiveModel, tokens: Tensor, start: int) -> tuple[list[float], list[float], Tensor | None]:
    """Log-probs and confidences of `tokens` (T,) from `start` on, which is at least 1, and the features (T, D) of all."""
    config: Any = model.backbone.config
    cache = DynamicCache(config=config.get_text_config(decoder=True)) if len(tokens) > PIECE else None
    logprobs, confidences, features = list[float](), list[float](), list[Tensor]()
    for begin in range(0, len(tokens), PIECE):
        piece = tokens[begin : begin + PIECE]
        end = begin + len(piece)
        first = max(begin + 1, start)
        given = tokens[first : end + 1]  # what the logits of this piece tell of
        output = model(piece[None], past_key_values=cache, graded=False, logits_to_keep=max(1, end + 1 - first))
        for found, new in zip((logprobs, confidences), measure(output.logits[0, : len(given)], given), strict=True):
            found += new
        if output.features is not None:
            features.append(output.features[0])
    return logprobs, confidences, torch.cat(features) if features else None
