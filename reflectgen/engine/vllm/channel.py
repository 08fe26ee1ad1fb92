"""How a step's score and a token's confidence leave vLLM: as log-probs of three ids that no text ever holds.

vLLM returns log-probs of any ids that a request names (`logprob_token_ids`), with every token, in process and over its
server alike. So the model writes what it has to say into the logits of three reserved ids, per row, with m the row's
largest logit and t the mean of its `CONFIDENCE_K` largest:

    score       m - DEPTH + logit of the step    the head on the state that predicts the row's token: offset -1
    zero        m - DEPTH                        so the logit is logprob(score) - logprob(zero)
    confidence  t - DEPTH                        so DeepConf's confidence is -(logprob(confidence) + DEPTH)

All other logits stay as they are, and the three weigh less than exp(REACH - DEPTH) of the whole. Requests ban the three by
a logit bias, which vLLM applies after it has taken the log-probs; so no text ever holds them, at any temperature.

Ids are reserved where the vocabulary has rows that no text encodes to: those behind the tokenizer's last id (Qwen), else
tokens named as reserved (Llama, Gemma, the bundled model).

Deviation: a step's logit is cut to +-REACH, where its score is 4e-11 from 0 or 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from reflectgen.errors import ModelError

DEPTH = 64.0
"""How far below the row's largest logit the reserved ids are; in fp32 numbers of that size are exact to 8e-6."""
REACH = 24.0
"""Largest logit of a step that can be told."""
CONFIDENCE_K = 20
"""DeepConf's k, as in `reflectgen.engine.sampling`."""
BAN = -100.0
"""Logit bias of the reserved ids: the most that vLLM and the OpenAI interface allow."""
RESERVED = re.compile(r"[<\[]\|?(reserved|unused|extra|control|special|pad)[\w ]*\d\|?[>\]]", re.IGNORECASE)
"""What tokenizers call tokens that are there to be used by nobody yet."""


class Vocabulary(Protocol):
    """What is asked of a tokenizer."""

    def __len__(self) -> int: ...
    def convert_ids_to_tokens(self, ids: int, /) -> str: ...


class Row(NamedTuple):
    """One drawn token and what was measured of the state that predicted it."""

    token: int
    logprob: float
    """At temperature 1."""
    confidence: float
    logit: float | None
    """What the head says of that state; None without a head."""


class Reader(Protocol):
    """What requests ask vLLM for, and how its answers are read."""

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids whose log-probs are wanted; none where the `top` ones are."""

    @property
    def top(self) -> int:
        """How many of the most likely tokens' log-probs are wanted where no ids are."""

    @property
    def ban(self) -> dict[int, float]:
        """The logit bias of every request."""

    def row(self, token: int, logprobs: Mapping[int, float]) -> Row:
        """What one row's log-probs say."""


class Channel(NamedTuple):
    """The three reserved ids of a model with a head."""

    score: int
    zero: int
    confidence: int

    @property
    def top(self) -> int:
        """One: vLLM's server wants a number beside ids."""
        return 1

    @property
    def ids(self) -> tuple[int, ...]:
        """Themselves."""
        return tuple(self)

    @property
    def ban(self) -> dict[int, float]:
        """Keeps them out of every text."""
        return dict.fromkeys(self, BAN)

    def row(self, token: int, logprobs: Mapping[int, float]) -> Row:
        """A step's logit and a token's confidence, as the module's docstring says."""
        logit = logprobs[self.score] - logprobs[self.zero]
        return Row(token, logprobs[token], -(logprobs[self.confidence] + DEPTH), logit)


class Plain:
    """A model without a head, any vLLM's: the most likely tokens' log-probs give the confidence."""

    ids: tuple[int, ...] = ()
    top = CONFIDENCE_K

    def __init__(self) -> None:
        self.ban: dict[int, float] = {}

    def row(self, token: int, logprobs: Mapping[int, float]) -> Row:
        """`logprobs` are those of the most likely tokens and of the token itself."""
        return Row(token, logprobs[token], confidence(logprobs), None)


def confidence(logprobs: Mapping[int, float]) -> float:
    """DeepConf's token confidence, from the log-probs of at least the `CONFIDENCE_K` most likely tokens."""
    largest = sorted(logprobs.values(), reverse=True)[:CONFIDENCE_K]
    return -sum(largest) / len(largest)


def reserve(tokenizer: Vocabulary, vocabulary: int) -> Channel:
    """The last three ids below `vocabulary`, the rows of the model's logits, that no text encodes to.

    Raises `ModelError` where there are fewer.
    """
    rows = range(vocabulary - 1, -1, -1)
    free = _first(rows, lambda token: token >= len(tokenizer) or _is_reserved(tokenizer, token))
    if len(free) < len(Channel._fields):
        raise ModelError(
            f"This vocabulary of {vocabulary} tokens has {len(free)} reserved ones, and vLLM needs {len(Channel._fields)} to "
            "hand scores out: use the engine local, or a model whose embedding has unused rows."
        )
    return Channel(*free)


def _is_reserved(tokenizer: Vocabulary, token: int) -> bool:
    return RESERVED.fullmatch(str(tokenizer.convert_ids_to_tokens(token))) is not None


def _first(rows: range, test: Callable[[int], bool]) -> list[int]:
    """The first ids of `rows`, as many as a channel has, that pass."""
    found: list[int] = []
    for token in rows:
        if len(found) == len(Channel._fields):
            break
        if test(token):
            found.append(token)
    return found
