"""A tiny random model as a folder: weights, a tokenizer of single characters, and a head where it is asked for."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import tiny_models
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from reflectgen.config import PromptConfig
from reflectgen.model.reflective import ReflectiveModel

TAGS = ("<think>", "</think>")
SPECIALS = ["<pad>", "<bos>", "<eos>", "<unk>", *TAGS]
TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}{% if add_generation_prompt %}<think>{% endif %}"


def tokenizer(template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    """Every printable ASCII character and newline is a token, and so are `.\\n\\n` and the thinking tags."""
    texts = [*SPECIALS, ".\n\n", *sorted(set(string.printable) - set("\r\t\x0b\x0c"))]
    raw = Tokenizer(models.WordLevel({text: token for token, text in enumerate(texts)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Split(Regex(r"\.\n\n|[\s\S]"), "isolated")
    raw.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", clean_up_tokenization_spaces=False
    )
    fast.add_tokens(list(TAGS))
    fast.chat_template = template
    return fast


def write(folder: Path, *, head: bool = True, step_rule: str = "paper", context: int = 256, seed: int = 0) -> Path:
    """Save a random two-headed Qwen2 to `folder` and return it; equal arguments give equal files."""
    words = tokenizer()
    config: Any = tiny_models.config("qwen2")
    config.vocab_size, config.max_position_embeddings = len(words), context
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        backbone = AutoModelForCausalLM.from_config(config).eval()
    backbone.generation_config.eos_token_id = words.eos_token_id
    graded = tiny_models.head(seed=seed, step_rule=step_rule) if head else None
    prompt = PromptConfig(instruction="", tags=TAGS)
    ReflectiveModel(backbone, graded, prompt=prompt).save_pretrained(folder, words)
    return folder
