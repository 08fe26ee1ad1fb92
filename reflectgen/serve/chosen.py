"""From a result to what a client is told: the chosen answers, how they ended, and what all of it came to in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from reflectgen.engine.grammar import Grammar
from reflectgen.serve.faults import Fault
from reflectgen.types import Result, Trajectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer."""

    trajectory: Trajectory
    thinking: str
    """Empty where the whole text is the content, as where the model thinks without tags."""
    content: str
    """The reply up to the first stop sequence."""
    finish: Literal["stop", "length"]
    """Whether the reply came to an end, by itself or by a stop sequence."""
    tokens: tuple[tuple[str, float], ...]
    """Text and log-prob of the content's tokens; the last one may run beyond its end."""
    drawn: int
    """Tokens that were drawn for it, before a stop sequence cut it, the end of text included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of a request."""

    prompt: int
    completion: int
    """All that were drawn, over all branches."""
    reasoning: int
    """Those of them that stand in no answer that is told."""


def choose(result: Result, n: int, stop: Sequence[str], grammar: Grammar, *, raw: bool = False) -> list[Choice]:
    """The `n` best answers, the chosen one first; fewer where fewer thinkings came to an end.

    With `raw` the content is everything that was written, thinking and tags included. Raises a `Fault` where every branch
    failed.
    """
    best = ranked(result)
    if best and best[0].finish == "failed":
        raise Fault("internal_error", "The engine failed while it thought about this request: ask again.")
    firsts: dict[tuple[int, ...], Trajectory] = {}
    for one in best:
        firsts.setdefault(one.token_ids, one)
    rest = [one for one in best if firsts[one.token_ids] is not one]
    return [_choice(one, 0 if raw else reply_start(one, grammar), stop, grammar) for one in [*firsts.values(), *rest][:n]]


def ranked(result: Result) -> list[Trajectory]:
    """The trajectories that may be told, best first: those that ended, by the selector's values, or any where none did.

    Where the selector abstained, since no thinking gave an answer that it could compare, scores or log-probs decide.
    """
    pairs = list(zip(result.trajectories, result.choice.values, strict=True))
    ended = [pair for pair in pairs if pair[0].finish in ("stop", "length")] or pairs

    def worth(pair: tuple[Trajectory, float]) -> tuple[bool, float, float]:
        one, value = pair
        quality = one.logprob if one.score is None else one.score
        return one is result.chosen, quality if result.chosen is None else value, one.logprob

    return [one for one, _ in sorted(ended, key=worth, reverse=True)]


def usage(result: Result, choices: Sequence[Choice], prompt: int) -> Usage:
    """What the request came to in tokens; `prompt` is the length of its prompt."""
    completion = result.cost.tokens_generated
    told = sum(choice.drawn for choice in choices)
    return Usage(prompt=prompt, completion=completion, reasoning=max(0, completion - told))


def _choice(one: Trajectory, start: int, stop: Sequence[str], grammar: Grammar) -> Choice:
    """The answer whose content begins at the token `start`."""
    written = grammar.table.decode([token for token in one.token_ids[start:] if token not in grammar.eos])
    content = cut(written, stop)
    ended = one.token_ids[start:] and one.token_ids[-1] in grammar.eos
    return Choice(
        trajectory=one,
        thinking=one.thinking if start else "",
        content=content,
        finish="stop" if ended or content != written else "length",
        tokens=_tokens(one, start, None if content == written else len(content), grammar),
        drawn=len(one.token_ids) - start - sum(max(0, high - max(low, start)) for low, high in one.forced_spans),
    )


def cut(text: str, stop: Sequence[str]) -> str:
    """`text` up to the first of the sequences `stop`."""
    return text[: min((at for sequence in stop if (at := text.find(sequence)) >= 0), default=len(text))]


def reply_start(one: Trajectory, grammar: Grammar) -> int:
    """Index in its tokens where the reply begins; their number where none was begun."""
    if grammar.segmenter.tags is None:
        return 0
    span = grammar.segmenter.span(one.token_ids)
    return span.end + 1 if one.token_ids else 0


def _tokens(one: Trajectory, start: int, length: int | None, grammar: Grammar) -> tuple[tuple[str, float], ...]:
    """The tokens from `start` on that make up `length` characters; all of them where it is None."""
    found: list[tuple[str, float]] = []
    written = 0
    for token, logprob in zip(one.token_ids[start:], one.token_logprobs[start:], strict=True):
        if token in grammar.eos or (length is not None and written >= length):
            break
        text = grammar.table.decode([token])
        written += len(text)
        found.append((text, logprob))
    return tuple(found)
