"""A branch on a bench: a vocabulary of a dozen tokens, a host that only takes notes, and hands that draw tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.words import Words

from reflectgen.config import Sampling
from reflectgen.engine.branch import Branch
from reflectgen.engine.grammar import Grammar
from reflectgen.engine.tree import Tree
from reflectgen.steps import Segmenter, TokenTable

WORDS = ["<eos>", "<think>", "</think>", "a", "b", "c", ".\n\n", "!\n\n", "<", "</", "t", ">", ">\n\n"]
EOS, OPEN, CLOSE, A, B, C, DOT, BANG, LESS, SLASH, T, MORE, MORE_BREAK = range(len(WORDS))
TAGS = ("<think>", "</think>")
LONG_TAGS = ("<t>", "</t>")
"""Three tokens each, the last of which may run on: `>` and `>\\n\\n`."""


class Notes:
    """A host that remembers whom it was told to wake and to release."""

    def __init__(self) -> None:
        self.woken: list[Branch] = []
        self.released: list[Branch] = []

    def wake(self, branch: Branch) -> None:
        self.woken.append(branch)

    def release(self, branch: Branch) -> None:
        self.released.append(branch)


def grammar(
    tags: tuple[str, str] | None = TAGS, rule: str = "blank_line", grade_end: bool = False, offset: int = -1, **fields: Any
) -> Grammar:
    """`fields` are further ones of `Grammar`."""
    table = TokenTable(Words(WORDS))
    segmenter = Segmenter.bind(rule, tags, table, grade_end)
    settings = {"aggregate": "geometric", "has_head": True, **fields}
    return Grammar(table=table, segmenter=segmenter, eos=frozenset({EOS}), offset=offset, **settings)


def plant(
    n: int = 1, *, pace: Any = "free", max_tokens: int = 20, room: int = 100, seed: int = 0, **rules: Any
) -> list[Branch]:
    """`n` branches from the prompt [A, B] with at most 5 tokens of reply; `rules` are those of `grammar`."""
    sampling = Sampling(max_tokens=max_tokens, answer_tokens=5)
    return Tree([A, B], sampling, seed, pace, room, grammar(**rules), Notes()).grow(n)


def notes(branch: Branch) -> Notes:
    host = branch.tree.host
    assert isinstance(host, Notes)
    return host


def draw(branch: Branch, tokens: Iterable[int], logit: float = 0.0) -> list[int]:
    """Append each of `tokens` with log-prob minus its id and confidence its id; return those that the head read for."""
    read = []
    for token in tokens:
        graded = branch.grades(token)
        read += [token] if graded else []
        branch.append(token, -float(token), float(token), logit if graded else None)
    return read


def spans(branch: Branch) -> list[tuple[int, int]]:
    return [step.token_span for step in branch.steps]


def truth(branch: Branch) -> list[tuple[int, int]]:
    """The steps of the branch's final ids by the rule for finished traces."""
    return branch.tree.grammar.segmenter.steps(branch.ids, 0, branch.forced)
