"""What is known of one step: from the tokens of a trace, their measures and the head's output to a `Step`.

Branches record their steps through `make_step` while they grow; an engine that is given a finished trace uses
`read_windows` to learn which states the head must read, and `trace_steps` to make of the logits what decoding the trace
would have reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reflectgen.engine.grammar import Grammar
from reflectgen.scoring import sigmoid
from reflectgen.types import Step

Spans = Sequence[tuple[int, int]]
"""Half-open ranges of a completion's token ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A finished completion and what one pass over it measured."""

    prompt: Sequence[int]
    completion: Sequence[int]
    forced: Spans
    """Ranges of the completion that were not generated."""
    logprobs: Sequence[float]
    """Log-prob at temperature 1 of each token of the completion."""
    confidences: Sequence[float]
    """DeepConf token confidence of each token of the completion."""


def mean_drawn(values: Sequence[float], span: tuple[int, int], forced: Spans) -> float:
    """Mean of `values` over the tokens of `span` that were drawn, not forced; 0 where there is none."""
    if not forced:
        return sum(values[span[0] : span[1]]) / (span[1] - span[0]) if span[1] > span[0] else 0.0
    drawn = [values[i] for i in range(*span) if not any(low <= i < high for low, high in forced)]
    return sum(drawn) / len(drawn) if drawn else 0.0


def make_step(
    grammar: Grammar,
    ids: Sequence[int],
    span: tuple[int, int],
    logit: float | None,
    logprobs: Sequence[float],
    confidences: Sequence[float],
    forced: Spans,
) -> Step:
    """The step that takes the tokens `span` of the completion `ids`."""
    return Step(
        text=grammar.table.decode(ids[span[0] : span[1]]),
        token_span=span,
        score=None if logit is None else sigmoid(logit),
        logit=logit,
        logprob=mean_drawn(logprobs, span, forced),
        confidence=mean_drawn(confidences, span, forced),
    )


def step_spans(grammar: Grammar, prompt: Sequence[int], completion: Sequence[int], forced: Spans = ()) -> list[tuple[int, int]]:
    """The tokens of each graded step of a finished completion, as ranges of the completion."""
    start = len(prompt)
    shifted = [(low + start, high + start) for low, high in forced]
    steps = grammar.segmenter.steps([*prompt, *completion], start, shifted)
    return [(low - start, high - start) for low, high in steps]


def read_windows(
    grammar: Grammar, prompt: Sequence[int], completion: Sequence[int], forced: Spans = ()
) -> list[tuple[int, int]]:
    """Half-open range in prompt + completion of the states whose mean the head reads, for each graded step."""
    return [grammar.window(span, len(prompt)) for span in step_spans(grammar, prompt, completion, forced)]


def trace_steps(grammar: Grammar, trace: Trace, logits: Sequence[float | None]) -> tuple[Step, ...]:
    """The graded steps of `trace`, whose step logits are `logits`, in the order of `read_windows`."""
    spans = step_spans(grammar, trace.prompt, trace.completion, trace.forced)
    return tuple(
        make_step(grammar, trace.completion, span, logit, trace.logprobs, trace.confidences, trace.forced)
        for span, logit in zip(spans, logits, strict=True)
    )
