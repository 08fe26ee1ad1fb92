"""What is known of a sampled trace before the training pass: its outcome, whether it ended, and what the head reads of it.

Outcome and steps are those that decoding reports: the reply behind the closing tag is graded by the task's one grader, and
the steps are cut by the one step rule. Torch-free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reflectgen.steps import Pool, Segmenter, TokenTable, read_window
from reflectgen.tasks import Task
from reflectgen.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is known of one trace."""

    problem: int
    """Row of its problem among the problems that are trained on."""
    correct: bool
    """Whether it ended by itself, with a right answer: one that was cut off earns nothing, whatever it says so far."""
    ended: bool
    """Whether it ended by itself; one that was cut off has no outcome for the head."""
    windows: tuple[tuple[int, int], ...]
    """States that the head reads for each step, as half-open ranges counted from the prompt's last token: that state is 0."""

    @property
    def counts(self) -> bool:
        """Whether the head learns from it."""
        return self.ended and bool(self.windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """Examines the traces of one task for one head."""

    task: Task
    problems: Sequence[Problem]
    table: TokenTable
    segmenter: Segmenter
    ends: frozenset[int]
    """Tokens that end a text."""
    offset: int
    pool: Pool

    def examine(self, problem: int, prompt: Sequence[int], completion: Sequence[int]) -> Outcome:
        """The trace `completion`, which is not empty, of problem number `problem`."""
        ended = completion[-1] in self.ends
        first = len(prompt) - 1
        windows = [read_window(step, self.offset, self.pool) for step in self.steps(prompt, completion)]
        return Outcome(
            problem=problem,
            correct=ended and self._is_right(self.reply(prompt, completion), problem),
            ended=ended,
            windows=tuple((low - first, high - first) for low, high in windows),
        )

    def _is_right(self, reply: str, problem: int) -> bool:
        return self.task.grade(self.task.extract(reply) if reply else None, self.problems[problem])

    def steps(self, prompt: Sequence[int], completion: Sequence[int]) -> list[tuple[int, int]]:
        """The tokens of each graded step, as half-open ranges of prompt + completion."""
        return self.segmenter.steps([*prompt, *completion], len(prompt))

    def reply(self, prompt: Sequence[int], completion: Sequence[int]) -> str:
        """See `reply_of`."""
        return reply_of(self.segmenter, self.table, self.ends, prompt, completion)


def reply_of(
    segmenter: Segmenter, table: TokenTable, ends: frozenset[int], prompt: Sequence[int], completion: Sequence[int]
) -> str:
    """The text behind the thinking; the whole text where the model has no thinking tags. `ends` are tokens that end a text."""
    ids, start = [*prompt, *completion], len(prompt)
    if segmenter.tags is not None:
        start = segmenter.span(ids, start).end + 1
    return table.decode([token for token in ids[start:] if token not in ends])
