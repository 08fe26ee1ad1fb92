"""The step rule: where in a stream of token ids a step of the thinking ends, and where the head reads.

One rule serves training, decoding, scoring and drawing. It is local: whether a token ends a step depends on that
token and the one before it, so the same rule runs over a finished trace (`Segmenter.ends`) and over tokens as they
are drawn (`Segmenter.ends_step`).

Source: "Test-Time Scaling with Reflective Generative Model", arXiv 2507.01951, step segmentation: tokens containing
`.\\n\\n` end a step; of consecutive step tokens only the first counts; one that begins the thinking does not count.

Deviations, all of them by name in the head's configuration:
1. The paper reads the state *at* the step token, the authors' released code one position earlier (offset -1). Ours is -1.
2. A thinking without any step is graded at its end: at the token that closed it, or at its last token where nothing did.
   The authors answer 0; so do the presets `official` and `official_zh`.
3. `official` and `official_zh` follow the authors' scorer in its corner cases too: tags are known by the first id of
   their encoding and only where that id occurs exactly once, and the two first positions of a thinking never end a step.
4. The rule gives the same steps while tokens are drawn as over the finished trace. So an opening tag begins the thinking
   only where it is the first one and nothing before it could have ended a step.
5. With `grade_end` the end of every thinking is graded, at the same token as that of a thinking without steps: what stands
   between the last step's end and it is one more step. It must hold a token, other than the one that ended the thinking,
   that is no step token; so a closing tag right behind a step adds none.
6. With `pool` "step" the head reads the mean over all of a step's tokens, forced ones and a closing tag among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

from reflectgen.errors import OptionError, unknown

REGEX = "regex:"
"""Prefix of a step rule that is a regular expression over decoded tokens, e.g. `regex:[.!?]$`."""


Pool = Literal["token", "step"]
"""Which of a step's states the head reads: that of its last token, or the mean of all."""


class Tokenizer(Protocol):
    """What the step rule needs of a transformers tokenizer."""

    def __len__(self) -> int: ...
    def encode(self, text: str, *, add_special_tokens: bool = ...) -> list[int]: ...
    def decode(self, token_ids: Sequence[int]) -> str: ...


class TokenTable:
    """The decoded text of every token of a tokenizer, made once and shared."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    @cached_property
    def texts(self) -> list[str]:
        """Text of each token id, decoded alone."""
        return [self.tokenizer.decode([token]) for token in range(len(self.tokenizer))]

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, without special tokens around it."""
        return self.tokenizer.encode(text, add_special_tokens=False)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids`, special tokens included."""
        return self.tokenizer.decode(list(ids))

    def matching(self, test: Callable[[str], bool]) -> frozenset[int]:
        """Ids of the tokens whose decoded text passes `test`."""
        return frozenset(token for token, text in enumerate(self.texts) if test(text))


def _is_official_zh(text: str) -> bool:
    """The authors' rule for Chinese: at most three characters, a newline or full stop and at most one other character."""
    return len(text) <= 3 and any(mark in text and len(text.replace(mark, "")) <= 1 for mark in "\n。")


PRESETS: dict[str, Callable[[TokenTable], frozenset[int]]] = {
    "paper": lambda table: table.matching(lambda text: ".\n\n" in text),
    "official": lambda table: frozenset(table.encode(".\n\n")),
    "official_zh": lambda table: table.matching(_is_official_zh),
    "blank_line": lambda table: table.matching(lambda text: "\n\n" in text),
    "newline": lambda table: table.matching(lambda text: "\n" in text),
}
"""Name of a step rule -> the ids of its step tokens."""

OFFICIAL = frozenset({"official", "official_zh"})


def check_rule(rule: str) -> str:
    """Return `rule` if it is a preset or a valid `regex:...`; raise `OptionError` otherwise."""
    if rule.startswith(REGEX):
        try:
            re.compile(rule.removeprefix(REGEX))
        except re.error as error:
            raise OptionError(f"Step rule '{rule}' is no regular expression: {error}.") from None
    elif rule not in PRESETS:
        raise unknown("step rule", rule, [*PRESETS, REGEX + "PATTERN"])
    return rule


def step_tokens(rule: str, table: TokenTable) -> frozenset[int]:
    """Ids of the tokens that end a step under `rule`; raises `OptionError` where this vocabulary has none."""
    if check_rule(rule).startswith(REGEX):
        pattern = re.compile(rule.removeprefix(REGEX))
        ids = table.matching(lambda text: pattern.search(text) is not None)
    else:
        ids = PRESETS[rule](table)
    if not ids:
        raise OptionError(f"No token of this vocabulary ends a step under the rule '{rule}': choose another, e.g. newline.")
    return ids


@dataclass(frozen=True, slots=True)
class Tag:
    """A thinking tag as token ids: the ids before its last token, and every token that may be its last."""

    text: str
    first: tuple[int, ...]
    last: frozenset[int]

    @classmethod
    def bind(cls, text: str, table: TokenTable) -> Tag:
        """The tag `text` in this vocabulary. Where it takes several tokens its last may run on (`>` and `>\\n\\n`)."""
        *first, last = table.encode(text)
        if not first:
            return cls(text, (), frozenset({last}))
        piece = table.texts[last]
        return cls(text, tuple(first), table.matching(lambda token: token.startswith(piece)))

    def __len__(self) -> int:
        return len(self.first) + 1

    def ends_at(self, ids: Sequence[int], index: int) -> bool:
        """Whether the tag's last token is `ids[index]`."""
        begin = index - len(self.first)
        return ids[index] in self.last and begin >= 0 and tuple(ids[begin:index]) == self.first


@dataclass(frozen=True, slots=True)
class Tags:
    """The pair of tags around a thinking."""

    open: Tag
    close: Tag

    @classmethod
    def bind(cls, pair: tuple[str, str], table: TokenTable) -> Tags:
        """Both tags in this vocabulary."""
        return cls(Tag.bind(pair[0], table), Tag.bind(pair[1], table))


@dataclass(frozen=True, slots=True)
class Span:
    """Where a thinking lies in a list of token ids."""

    start: int
    """Index of its first token."""
    stop: int
    """One past its last token: where the closing tag begins, or the length."""
    end: int
    """Index of the token that ended it (the closing tag's last), or of its last token where nothing did."""


@dataclass(frozen=True, slots=True)
class Segmenter:
    """A step rule bound to a vocabulary and its thinking tags."""

    rule: str
    tokens: frozenset[int]
    """Ids of the step tokens."""
    tags: Tags | None
    grade_end: bool = False
    """Whether the end of a thinking is graded where no step ends there."""

    @classmethod
    def bind(cls, rule: str, tags: tuple[str, str] | None, table: TokenTable, grade_end: bool = False) -> Segmenter:
        """The rule named `rule` for this vocabulary; `tags` are the opening and closing tag, None where there are none."""
        return cls(rule, step_tokens(rule, table), Tags.bind(tags, table) if tags else None, grade_end)

    @property
    def grades_empty(self) -> bool:
        """Whether a thinking without steps is graded at its end (else its score is 0)."""
        return self.rule not in OFFICIAL

    def ends_step(self, token: int, previous: int | None) -> bool:
        """Whether `token` ends a step after `previous`, which is None at the start of the thinking."""
        return token in self.tokens and previous is not None and previous not in self.tokens

    def grades_rest(self, rest: Sequence[int], *, alone: bool) -> bool:
        """Whether the end of a thinking is graded; `rest` is what it holds behind its last step.

        The token that ended it is not in `rest`: the closing tag, the end of text, or its last token where nothing closed
        it. `alone` says that there was no step before.
        """
        if alone and self.grades_empty:
            return True
        return self.grade_end and any(token not in self.tokens for token in rest)

    def span(self, ids: Sequence[int], start: int = 0) -> Span:
        """Where the thinking lies in `ids`, of which everything before `start` is the prompt."""
        if self.tags is None:
            return Span(start, len(ids), len(ids) - 1)
        opening, closing = self.tags.open, self.tags.close
        stop = end = None
        begin, may_open = start, True
        for index in range(start, len(ids)):
            if closing.ends_at(ids, index) and index - len(closing) + 1 >= begin:
                stop, end = index - len(closing) + 1, index
                break
            if may_open and opening.ends_at(ids, index) and index - len(opening) + 1 >= start:
                begin, may_open = index + 1, False
            elif may_open and index > start and self.ends_step(ids[index], ids[index - 1]):
                may_open = False
        if stop is None or end is None:
            stop, end = len(ids), len(ids) - 1
        return Span(begin, stop, end)

    def ends(self, ids: Sequence[int], start: int = 0, forced: Sequence[tuple[int, int]] = ()) -> list[int]:
        """Indices in `ids` of the tokens that end a step.

        `start` is the length of the prompt; tokens in the half-open ranges `forced` were not generated and end nothing.
        """
        if self.rule in OFFICIAL:
            ends = [index for index in self._official_ends(ids) if index >= start]
        else:
            span = self.span(ids, start)
            ends = [index for index in range(span.start + 1, span.stop) if self.ends_step(ids[index], ids[index - 1])]
        return [index for index in ends if not any(low <= index < high for low, high in forced)]

    def graded(self, ids: Sequence[int], start: int = 0, forced: Sequence[tuple[int, int]] = ()) -> list[int]:
        """Indices of the tokens where the head grades: the step ends, and the end of the thinking where that is one."""
        ends = self.ends(ids, start, forced)
        if len(ids) == start or (ends and not self.grade_end):
            return ends
        span = self.span(ids, start)
        rest = ids[ends[-1] + 1 if ends else span.start : min(span.stop, span.end)]
        return [*ends, span.end] if self.grades_rest(rest, alone=not ends) else ends

    def steps(self, ids: Sequence[int], start: int = 0, forced: Sequence[tuple[int, int]] = ()) -> list[tuple[int, int]]:
        """The tokens of each graded step, as half-open ranges of `ids`; arguments as for `ends`."""
        stops = [end + 1 for end in self.graded(ids, start, forced)]
        return list(zip([self.span(ids, start).start, *stops], stops, strict=False))

    def _official_ends(self, ids: Sequence[int]) -> list[int]:
        """The authors' scorer, over the whole text: deviation 3 of the module."""
        begin, stop = 0, len(ids)
        opening = None
        if self.tags is not None:
            opening, closing = (_first_id(tag) for tag in (self.tags.open, self.tags.close))
            begin = _only_index(ids, opening, default=0)
            stop = _only_index(ids, closing, default=len(ids))
        return [
            index
            for index in range(begin + 2, min(stop + 1, len(ids)))
            if self.ends_step(ids[index], ids[index - 1]) and ids[index - 1] != opening
        ]


def _first_id(tag: Tag) -> int:
    return tag.first[0] if tag.first else next(iter(tag.last))


def _only_index(ids: Sequence[int], token: int, default: int) -> int:
    """Index of `token` in `ids` where it occurs exactly once, else `default`."""
    return list(ids).index(token) if list(ids).count(token) == 1 else default


def read_index(end: int, offset: int) -> int:
    """Index of the state that the head reads for a step that ends at `end`: `end + offset`, not before the first token."""
    return max(0, end + offset)


def read_window(step: tuple[int, int], offset: int, pool: Pool) -> tuple[int, int]:
    """Half-open range of the states whose mean the head reads for `step`, the half-open range of its tokens.

    Each token stands for the state at `offset` from it. With the pool "token" the range holds one state.
    """
    start, stop = step
    last = read_index(stop - 1, offset)
    return (min(read_index(start, offset), last) if pool == "step" else last), last + 1
