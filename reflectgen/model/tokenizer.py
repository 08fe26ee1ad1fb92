"""Loads a model's tokenizer, and finds out how a model marks its thinking."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from reflectgen.errors import ModelError
from reflectgen.model.backbone import first_line
from reflectgen.model.checkpoint import find_head
from reflectgen.model.quiet import quiet
from reflectgen.model.source import Source, resolve

THINKING_TAGS: tuple[tuple[str, str], ...] = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<reason>", "</reason>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
)
"""Opening and closing tags that reasoning models use, the commonest first."""


VOCABULARY_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "vocab.txt", "tekken.json")
"""Files of which a tokenizer has at least one."""


GENERIC = ("TokenizersBackend", "PreTrainedTokenizerFast")
"""Tokenizer classes without rules of their own."""


def load_tokenizer(name: str | Path, *, revision: str | None = None, trust_remote_code: bool = False) -> Any:
    """The tokenizer of the model called `name` (a folder, a `.gguf` file, a Hub name, or a head that names its backbone).

    Raises `ModelError` with one sentence where there is none.
    """
    source = resolve(name, revision)
    stored = None if source.has_backbone else find_head(source)
    if stored is not None and stored.head.config.backbone_name:
        source = resolve(stored.head.config.backbone_name)
    return _read(source, trust_remote_code)


def _read(source: Source, trust_remote_code: bool) -> Any:
    """Files of a tokenizer come first, the `.gguf` file's own vocabulary where there are none."""
    has_files = any((source.folder / file).is_file() for file in VOCABULARY_FILES)
    if not has_files and source.gguf is None:
        raise ModelError(f"{source.name} holds no tokenizer: put the files of its tokenizer there, e.g. tokenizer.json.")
    options = {} if has_files else source.gguf_option
    try:
        with quiet():
            return _loader(source.folder).from_pretrained(source.folder, trust_remote_code=trust_remote_code, **options)
    except Exception as error:  # tokenizers raises bare exceptions for broken files
        raise ModelError(f"The tokenizer in {source.name} cannot be loaded: {first_line(error)}.") from error


def _loader(folder: Path) -> Any:
    """The class that reads the tokenizer in `folder`.

    Where its files say that `tokenizer.json` is all there is to it they are taken at their word: for some model types,
    Qwen2 among them, `AutoTokenizer` would cut text by its own rules instead, and encode it otherwise than in training.
    """
    path = folder / "tokenizer_config.json"
    kind = json.loads(path.read_text(encoding="utf-8")).get("tokenizer_class") if path.is_file() else None
    return PreTrainedTokenizerFast if kind in GENERIC else AutoTokenizer


def default_tags(tokenizer: Any) -> tuple[str, str] | None:
    """The thinking tags of a model that says nothing about them: a pair of its vocabulary, else one of its chat template.

    None where neither knows a pair of `THINKING_TAGS`: then the whole reply is the thinking.
    """
    vocabulary = tokenizer.get_vocab()
    template = str(tokenizer.chat_template or "")
    for known in (vocabulary, template):
        for pair in THINKING_TAGS:
            if all(tag in known for tag in pair):
                return pair
    return None
