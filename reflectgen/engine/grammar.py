"""What the branches of one model have in common: vocabulary, step rule, score rule."""

from __future__ import annotations

from dataclasses import dataclass

from reflectgen.steps import Segmenter, TokenTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """What the branches of one model have in common: vocabulary, step rule, score rule."""

    table: TokenTable
    segmenter: Segmenter
    eos: frozenset[int]
    aggregate: str
    offset: int
    has_head: bool

    @property
    def watched(self) -> frozenset[int]:
        """Tokens that may change a branch's state; all others only make it longer."""
        tags = self.segmenter.tags
        return self.segmenter.tokens | self.eos | (tags.open.last | tags.close.last if tags else frozenset())
