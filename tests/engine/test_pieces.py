"""The small tokenizer: anything can be written, and what it was shown is written in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectgen.engine.pieces import PieceTokenizer
from reflectgen.steps import PRESETS, Segmenter, TokenTable


def pieces(tokenizer: PieceTokenizer, text: str) -> list[str]:
    return [tokenizer.decode([token]) for token in tokenizer.encode(text)]


def test_words_take_the_space_before_them_and_marks_the_breaks_after_them() -> None:
    text = "<think>Two  and 2.\n\nSo: x+1!</think>4"
    assert pieces(PieceTokenizer([text]), text) == [
        "<think>", "Two", "  ", "and", " 2", ".\n\n", "So", ":", " x", "+", "1", "!", "</think>", "4",
    ]  # fmt: skip


def test_unknown_text_is_spelled_in_bytes() -> None:
    tokenizer = PieceTokenizer(["known"])
    assert pieces(tokenizer, "known ok") == ["known", " ", "o", "k"]
    assert len(tokenizer.encode("é")) == 2
    assert tokenizer.decode(tokenizer.encode("é")) == "é"


@given(st.text())
def test_every_text_comes_back(text: str) -> None:
    tokenizer = PieceTokenizer(["a text.\n\n", "é"])
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_equal_arguments_give_equal_ids() -> None:
    one, other = PieceTokenizer(["b a"]), PieceTokenizer(["b a"])
    assert one.encode("a b.\n\n") == other.encode("a b.\n\n")
    assert len(one) == len(other)


def test_the_end_of_text_is_one_token() -> None:
    tokenizer = PieceTokenizer()
    assert tokenizer.encode("<eos>") == [tokenizer.eos_token_id]


@pytest.mark.parametrize("rule", PRESETS)
def test_every_step_rule_finds_a_token(rule: str) -> None:
    assert Segmenter.bind(rule, ("<think>", "</think>"), TokenTable(PieceTokenizer())).tokens
