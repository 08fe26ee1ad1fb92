"""The word-problem corpus as a map-style data set: row i is a pure function of the configuration and i.

Nothing is stored, and a run that resumes at row i sees what it would have seen. All rows of one batch have the same
number of events: they are about equally long, and balancing the outcomes within a batch then balances them within each
length, so that the label says nothing of how long a problem is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from torch.utils.data import Dataset

from reflectgen import prompts
from reflectgen.config import CorpusConfig, PromptConfig
from reflectgen.steps import Segmenter
from reflectgen.tasks import wordproblems
from reflectgen.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One trace, tokenized."""

    ids: tuple[int, ...]
    """Prompt, completion and end-of-text token."""
    prompt: int
    """Tokens of the prompt."""
    ends: tuple[int, ...]
    """Indices in `ids` of the tokens where a step ends."""
    correct: bool
    """Whether the final answer is right."""
    readings: tuple[bool, ...]
    """What the oracle says of each step; only for reports, never for training."""


def corpus_texts(config: CorpusConfig) -> Iterator[str]:
    """Problems and completions that a vocabulary is built from, `config.vocabulary_texts` of each."""
    for index in range(config.vocabulary_texts):
        problem = _problem(config, index, 1)
        yield problem.text
        yield wordproblems.trace(problem, config.seed, config.misconceptions).completion.replace("</think>", "")


def _problem(config: CorpusConfig, index: int, batch: int) -> Problem:
    events = Random(f"events/{config.seed}/{index // batch}").choice(config.events)
    return wordproblems.generate("train", config.seed, index, (events,))


class Corpus(Dataset[Row]):
    """Rows 0 to `size` - 1 of the corpus, tokenized."""

    def __init__(
        self, config: CorpusConfig, prompt: PromptConfig, tokenizer: Any, segmenter: Segmenter, *, size: int, batch: int
    ) -> None:
        """`batch` is the number of consecutive rows with equally many events."""
        self.config, self.prompt, self.tokenizer, self.segmenter = config, prompt, tokenizer, segmenter
        self.size, self.batch = size, batch

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Row:
        problem = _problem(self.config, index, self.batch)
        trace = wordproblems.trace(problem, self.config.seed, self.config.misconceptions)
        start = prompts.encode(problem.text, self.prompt, self.tokenizer)
        completion = self.tokenizer.encode(trace.completion, add_special_tokens=False)
        ids = (*start, *completion, self.tokenizer.eos_token_id)
        ends = tuple(self.segmenter.graded(ids, len(start)))
        return Row(ids=ids, prompt=len(start), ends=ends, correct=trace.correct, readings=trace.readings)
