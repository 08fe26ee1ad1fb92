"""Builds the tokenizer of a model that is trained from nothing: byte-level BPE over the corpus's own text.

Any text is encoded without an unknown token and decodes to itself. Text is first cut into pieces that no token crosses:
a word, one digit or one other character, each with at most one space before it, or one of `WHOLE`. So numbers are
written digit by digit, and every `.\\n\\n` is one token, whatever stands before it.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

WHOLE = (r" ?\\boxed\{", r"\.\n\n")
"""Patterns that are pieces as they are: the reply's box and the step's end."""
PIECES = "|".join((*WHOLE, r" ?\p{N}", r" ?\p{L}+", r" ?[^\s\p{L}\p{N}]", r"\s"))
TAGS = ("<think>", "</think>")
PAD, EOS = "<pad>", "<eos>"
RESERVED = 4
"""Tokens that no text contains: engines that export scores by reserved ids need some."""

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{ message['content'] }}{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<think>\\n' }}{% endif -%}"""


def build_tokenizer(texts: Iterable[str], vocab_size: int, context: int) -> PreTrainedTokenizerFast:
    """A tokenizer of exactly `vocab_size` tokens (at least 266), trained on `texts`, for contexts of `context` tokens."""
    tokenizer = _train(texts, vocab_size - len(TAGS) - RESERVED)
    tokenizer.add_tokens([AddedToken(tag, normalized=False, special=False) for tag in TAGS])
    spare = vocab_size - tokenizer.get_vocab_size()
    tokenizer.add_special_tokens([AddedToken(f"<reserved_{index}>", normalized=False) for index in range(spare)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=context,
        padding_side="left",
    )


def _train(texts: Iterable[str], size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
