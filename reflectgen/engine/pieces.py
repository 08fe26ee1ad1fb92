"""A small tokenizer without torch or transformers, for scripted engines, tests and examples.

Its vocabulary is fixed when it is made: the special texts, all 256 bytes, and the pieces (words with the space before
them, punctuation with the line breaks after it) of the texts that it is given. Any text can be encoded: what is no
known piece is spelled in bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

PIECE = re.compile(r"[^\S\n]?\w+|[^\w\s]*\n+|[^\w\s]|[^\S\n]+")
EOS = "<eos>"
BREAKS = (".\n\n", "\n\n", "\n")
"""Pieces that every vocabulary has, so that every step rule finds a token."""


class PieceTokenizer:
    """Text to ids and back; `decode(encode(text)) == text`. Ids are stable for equal arguments."""

    chat_template: str | None = None
    eos_token_id = 0

    def __init__(self, texts: Iterable[str] = (), specials: Sequence[str] = ("<think>", "</think>")) -> None:
        """`texts` give the pieces of the vocabulary; `specials` are single tokens wherever they occur."""
        self._specials = re.compile("(" + "|".join(map(re.escape, (EOS, *specials))) + ")")
        pieces = [piece for text in (*BREAKS, *texts) for piece in self._split(text)]
        vocabulary = [*(text.encode() for text in (EOS, *specials)), *(bytes([byte]) for byte in range(256))]
        self._bytes = list(dict.fromkeys([*vocabulary, *(piece.encode() for piece in pieces)]))
        self._ids = {piece: token for token, piece in enumerate(self._bytes)}

    def __len__(self) -> int:
        return len(self._bytes)

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        """Token ids of `text`; there are no special tokens to add around it."""
        return [token for piece in self._split(text) for token in self._spell(piece.encode())]

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of `token_ids`, special tokens included."""
        return b"".join(self._bytes[token] for token in token_ids).decode("utf-8", errors="replace")

    def _split(self, text: str) -> Iterator[str]:
        for part in self._specials.split(text):
            yield from [part] if self._specials.fullmatch(part) else PIECE.findall(part)

    def _spell(self, piece: bytes) -> list[int]:
        """The one id of a known piece, or those of its bytes."""
        return [self._ids[piece]] if piece in self._ids else [self._ids[bytes([byte])] for byte in piece]
