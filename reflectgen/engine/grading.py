"""Measure and grade a finished trace in one plain pass over it.

Shapes: T tokens of prompt and completion together, N tokens of the completion, V vocabulary, S steps, D the backbone's
width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reflectgen.engine.grammar import Grammar
from reflectgen.engine.record import Spans, Trace, read_windows, trace_steps
from reflectgen.engine.sampling import CONFIDENCE_K
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.types import Step

ROWS = 256
"""Positions whose log-probs over the whole vocabulary are in memory at once."""


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
    tokens = torch.tensor([[*prompt, *completion]], device=model.device)  # (1, T)
    output = model(tokens, graded=False, logits_to_keep=len(completion) + 1)
    logprobs, confidences = measure(output.logits[0, :-1], tokens[0, len(prompt) + unpredicted :])
    blank = [0.0] * unpredicted
    trace = Trace(
        prompt=prompt, completion=completion, forced=forced, logprobs=blank + logprobs, confidences=blank + confidences
    )
    windows = read_windows(grammar, prompt, completion, forced)
    if output.features is None or not windows:
        return trace_steps(grammar, trace, [None] * len(windows))
    return trace_steps(grammar, trace, model.grade(window_means(output.features[0], windows)).tolist())
