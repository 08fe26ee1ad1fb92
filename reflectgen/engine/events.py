"""What drawing one more token does to a thinking, by the step rule and the tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from reflectgen.engine.grammar import Grammar
from reflectgen.steps import Tag

Event = Literal["step", "close", "open"]
"""It ends a step, closes the thinking, or begins it: then what was written before is no part of it."""


def event_of(grammar: Grammar, ids: Sequence[int], start: int, token: int) -> Event | None:
    """What `token` does where it is drawn after `ids`, in which the thinking begins at `start`; mostly nothing."""
    segmenter = grammar.segmenter
    if token in grammar.eos or (segmenter.tags and _completes(segmenter.tags.close, ids, start, token)):
        return "close"
    if segmenter.tags and _completes(segmenter.tags.open, ids, start, token) and _opens(grammar, ids, start, token):
        return "open"
    previous = ids[-1] if len(ids) > start else None
    return "step" if segmenter.ends_step(token, previous) else None


def thinking_stop(grammar: Grammar, length: int, token: int) -> int:
    """Tokens before the end of a thinking that `token`, the last of `length`, closed: the closing tag is no part of it."""
    tags = grammar.segmenter.tags
    return length - (1 if tags is None or token in grammar.eos else len(tags.close))


def _completes(tag: Tag, ids: Sequence[int], start: int, token: int) -> bool:
    """Whether `token`, drawn next, is the last of a tag that lies wholly in the thinking."""
    begin = max(start, len(ids) - len(tag.first))
    tail = [*ids[begin:], token]
    return tag.ends_at(tail, len(tail) - 1)


def _opens(grammar: Grammar, ids: Sequence[int], start: int, token: int) -> bool:
    """Whether `token`, the last of an opening tag, begins the thinking: only the first tag does, and before any step."""
    return start == 0 and grammar.segmenter.span([*ids, token]).start > 0
