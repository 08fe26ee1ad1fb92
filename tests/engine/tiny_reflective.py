"""Tiny random reflective models with a vocabulary of their own: 97 tokens, among them tags and eight step tokens.

The weights are larger than a fresh model's, so that what is drawn and how it is graded depend on what was written.
"""

from __future__ import annotations

from typing import Any

import tiny_models
import torch
from engine.words import Words

from reflectgen.engine.grammar import Grammar
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.steps import Segmenter, TokenTable

TAGS = ("<think>", "</think>")
STEP_WORDS = [mark + breaks for mark in ".!?:" for breaks in ("\n\n", "\n\n\n")]
SPECIALS = ["<pad>", "<bos>", "<eos>", *TAGS]
CHARACTERS = [*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .!?<>/+=-*,"]
WORDS = [*SPECIALS, *STEP_WORDS, *CHARACTERS]
WORDS += [f"[{number}]" for number in range(tiny_models.VOCABULARY - len(WORDS))]
TOKENIZER = Words(WORDS)
EOS = WORDS.index("<eos>")
SCALE = 4.0
CONTEXT = 256


def grammar(
    *, tags: tuple[str, str] | None = TAGS, grade_end: bool = False, offset: int = -1, has_head: bool = True, **fields: Any
) -> Grammar:
    """`fields` are further ones of `Grammar`."""
    table = TokenTable(TOKENIZER)
    segmenter = Segmenter.bind("blank_line", tags, table, grade_end)
    settings = {"aggregate": "geometric", "has_head": has_head, **fields}
    return Grammar(table=table, segmenter=segmenter, eos=frozenset({EOS}), offset=offset, **settings)


def model(
    name: str = "qwen2", *, attn_implementation: str | None = None, has_head: bool = True, **head: Any
) -> ReflectiveModel:
    """The tiny model of that architecture with a random head; `head` are fields of `HeadConfig`."""
    backbone = tiny_models.backbone(name, attn_implementation=attn_implementation)
    graded = tiny_models.head(**head) if has_head else None
    with torch.no_grad():
        for module in (backbone, graded):
            for parameter in module.parameters() if module is not None else ():
                if parameter.dim() > 1:
                    parameter.mul_(SCALE)
    return ReflectiveModel(backbone, graded).eval()
