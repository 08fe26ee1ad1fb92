"""A tokenizer over a given list of words, for tests that need no more."""

from __future__ import annotations

from collections.abc import Sequence


class Words:
    """The longest word that fits comes first; a word's id is its place in the list."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        ids = []
        while text:
            word = max((word for word in self.words if text.startswith(word)), key=len)
            ids.append(self.words.index(word))
            text = text.removeprefix(word)
        return ids

    def decode(self, token_ids: Sequence[int]) -> str:
        return "".join(self.words[token] for token in token_ids)
