"""What the branches of one model have in common: vocabulary, step rule, score rule."""

from __future__ import annotations

from dataclasses import dataclass

from reflectgen.steps import Pool, Segmenter, TokenTable, read_window


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """What the branches of one model have in common: vocabulary, step rule, score rule."""

    table: TokenTable
    segmenter: Segmenter
    eos: frozenset[int]
    aggregate: str
    offset: int
    has_head: bool
    """Whether steps are graded at all."""
    pool: Pool = "token"
    separate: bool = False
    """Whether another model grades the steps, which the tree's grader asks for it (`reflectgen.engine.separate`)."""

    @property
    def reads(self) -> bool:
        """Whether a head reads the states of the model that draws."""
        return self.has_head and not self.separate

    @property
    def pools(self) -> bool:
        """Whether that head reads the mean over a step's states."""
        return self.reads and self.pool == "step"

    def window(self, step: tuple[int, int], prompt: int) -> tuple[int, int]:
        """Half-open range in prompt + completion of the states whose mean is read for `step`, a range of the completion.

        `prompt` is the length of the prompt.
        """
        return read_window((prompt + step[0], prompt + step[1]), self.offset, self.pool)

    @property
    def watched(self) -> frozenset[int]:
        """Tokens that may change a branch's state; all others only make it longer."""
        tags = self.segmenter.tags
        return self.segmenter.tokens | self.eos | (tags.open.last | tags.close.last if tags else frozenset())
