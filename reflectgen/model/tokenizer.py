"""Loads a model's tokenizer, and finds out how a model marks its thinking."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from reflectgen.errors import ModelError
from reflectgen.model.backbone import first_line
from reflectgen.model.checkpoint import backbone_source
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


SELF_CONTAINED = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""Classes of tokenizers that are no architecture's own: the former and the present name of one class."""


UNLIMITED = 10**30
"""No length of its own: engines know the context, and refuse what is longer in one sentence."""


def load_tokenizer(
    name: str | Path, *, revision: str | None = None, trust_remote_code: bool = False, weights: bool = True
) -> Any:
    """The tokenizer of the model called `name` (a folder, a `.gguf` file, a Hub name, or a head that names its backbone).

    `weights` says whether those of a model on the Hub are fetched with it. Raises `ModelError` with one sentence where
    there is none.
    """
    source = resolve(name, revision, weights=weights)
    if not _has_vocabulary(source):
        source = backbone_source(source, weights=weights)
    has_files = _has_vocabulary(source)
    if not has_files and source.gguf is None:
        raise ModelError(f"{source.name} holds no tokenizer: put the files of its tokenizer there, e.g. tokenizer.json.")
    options: dict[str, Any] = {} if has_files else source.gguf_option  # a `.gguf` file's own vocabulary comes second
    try:
        with quiet():
            reader = PreTrainedTokenizerFast if _is_self_contained(source.folder) else AutoTokenizer
            return reader.from_pretrained(
                source.folder, model_max_length=UNLIMITED, trust_remote_code=trust_remote_code, **options
            )
    except Exception as error:  # tokenizers raises bare exceptions for broken files
        raise ModelError(f"The tokenizer in {source.name} cannot be loaded: {first_line(error)}.") from error


def _is_self_contained(folder: Path) -> bool:
    """Whether `tokenizer.json` says everything. `AutoTokenizer` goes by the backbone's architecture instead: beside a Qwen2
    it would make a Qwen2 tokenizer of the bare vocabulary, with that family's own way to split text.
    """
    settings = folder / "tokenizer_config.json"
    if not settings.is_file() or not (folder / "tokenizer.json").is_file():
        return False
    return json.loads(settings.read_text(encoding="utf-8")).get("tokenizer_class") in SELF_CONTAINED


def _has_vocabulary(source: Source) -> bool:
    return any((source.folder / file).is_file() for file in VOCABULARY_FILES)


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
