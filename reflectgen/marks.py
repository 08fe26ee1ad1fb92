"""What cuts the texts of a model, found in its vocabulary: the ends of steps and of replies. One for decoding and training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reflectgen.config import PromptConfig
from reflectgen.errors import OptionError
from reflectgen.steps import OFFICIAL, Segmenter, TokenTable

OFFICIAL_TAGS = ("<think>", "</think>")
"""The tags that the authors' scorer looks for, whatever the model's own are."""


def segmenter(rule: str, prompt: PromptConfig, table: TokenTable, grade_end: bool = False) -> Segmenter:
    """The step rule of that name between the prompt's thinking tags; what ends a reply ends no step.

    Raises `OptionError` for an unknown rule, and where this vocabulary has no token that it or the prompt's `stop` asks for.
    """
    tags = OFFICIAL_TAGS if rule in OFFICIAL else prompt.tags
    bound = Segmenter.bind(rule, tags, table, grade_end)
    return replace(bound, tokens=bound.tokens - stop_tokens(prompt, table))


def stop_tokens(prompt: PromptConfig, table: TokenTable) -> frozenset[int]:
    """Every token whose text contains the prompt's `stop`: none where that is empty; raises `OptionError` where none does."""
    if not prompt.stop:
        return frozenset()
    tokens = table.matching(lambda text: prompt.stop in text)
    if not tokens:
        raise OptionError(f"No token of this vocabulary contains the stop text {prompt.stop!r}: choose a shorter one.")
    return tokens


def end_tokens(generation_config: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a text by the model's generation config and by its tokenizer."""
    configured = getattr(generation_config, "eos_token_id", None)
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*ids, tokenizer.eos_token_id] if token is not None)
