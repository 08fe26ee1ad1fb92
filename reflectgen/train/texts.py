"""What stored traces say: their problems, thinkings, steps and replies, decoded from their tokens. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from reflectgen import marks, prompts
from reflectgen.errors import InputError
from reflectgen.rollouts import Rollout, Store
from reflectgen.steps import Segmenter, TokenTable
from reflectgen.train.labels import Problems
from reflectgen.train.outcomes import reply_of
from reflectgen.train.spans import prompt_config
from reflectgen.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Of one store."""

    table: TokenTable
    segmenter: Segmenter
    ends: frozenset[int]
    """Tokens that end a text."""
    problems: Problems

    @classmethod
    def of(cls, store: Store, tokenizer: Any, generation_config: Any, data: Sequence[Path] = ()) -> Self:
        """`tokenizer` and `generation_config` are those of the store's model, `data` the files of its task's problems."""
        config, table = prompt_config(store), TokenTable(tokenizer)
        return cls(
            table=table,
            segmenter=marks.segmenter(store.header.step_rule, config, table),
            ends=marks.end_tokens(generation_config, tokenizer) | marks.stop_tokens(config, table),
            problems=Problems(store, lambda problem: prompts.encode(problem, config, tokenizer), data),
        )

    def problem(self, row: Rollout) -> Problem:
        """The problem with its gold answers; raises what `Problems.of` raises."""
        return self.problems.of(row)

    def question(self, row: Rollout) -> str:
        """The problem's text: the stored one, or in a compact store the task's."""
        return self.problem(row).text if row.problem is None else row.problem

    def prompt(self, row: Rollout) -> tuple[int, ...]:
        """Token ids of the prompt: the stored ones, or in a compact store those that the task's problem makes.

        Raises `InputError` where the tokenizer is another than the store's.
        """
        if row.prompt_ids is None:
            return self.problems.prompt(row)
        if self.table.decode(row.token_ids) != row.text:
            raise InputError("The stored tokens are no text of this model's vocabulary: name the store's own with --model.")
        return row.prompt_ids

    def thinking(self, row: Rollout) -> str:
        """The text between the thinking tags; all of it where the model has none."""
        prompt = self.prompt(row)
        ids = [*prompt, *row.token_ids]
        span = self.segmenter.span(ids, len(prompt))
        return self._decode(ids[span.start : span.stop])

    def reply(self, row: Rollout) -> str:
        """The text behind the thinking; the whole text where the model has no thinking tags."""
        return reply_of(self.segmenter, self.table, self.ends, self.prompt(row), row.token_ids)

    def steps(self, row: Rollout) -> list[str]:
        """The texts of the stored steps."""
        return [self._decode(row.token_ids[slice(*step.token_span)]) for step in row.steps]

    def _decode(self, ids: Sequence[int]) -> str:
        return self.table.decode([token for token in ids if token not in self.ends])
