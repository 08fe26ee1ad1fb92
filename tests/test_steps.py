"""The step rule: presets on several tokenizer families, a table of traces, and the authors' scorer re-stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectgen.errors import OptionError
from reflectgen.steps import PRESETS, Segmenter, Span, Tag, Tags, TokenTable, check_rule, read_index, read_window, step_tokens

STEP = ".\n\n"
TAGS = ("<think>", "</think>")


class Pieces:
    """A tokenizer over a given list of pieces; texts are cut into the longest pieces from the left."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = list(dict.fromkeys(pieces))

    def __len__(self) -> int:
        return len(self.pieces)

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        ids = []
        while text:
            piece = max((piece for piece in self.pieces if text.startswith(piece)), key=len)
            ids.append(self.pieces.index(piece))
            text = text[len(piece) :]
        return ids

    def decode(self, token_ids: Sequence[int]) -> str:
        return "".join(self.pieces[token] for token in token_ids)


def bound(pieces: Sequence[str], rule: str = "paper", tags: tuple[str, str] | None = TAGS) -> tuple[Segmenter, list[int]]:
    """A segmenter over a vocabulary that holds `pieces`, and their ids."""
    tokenizer = Pieces(*pieces, STEP, *(tags or ()), "。")
    return Segmenter.bind(rule, tags, TokenTable(tokenizer)), [tokenizer.pieces.index(piece) for piece in pieces]


# -- a table of traces -------------------------------------------------------------------------------------------------

TRACES: dict[str, tuple[list[str], list[int]]] = {
    "steps inside the tags": (["<think>", "a", STEP, "b", STEP, "</think>", "c", STEP, "d"], [2, 4]),
    "every token that contains the delimiter": (
        ["<think>", "a", ").\n\n", "b", ".\n\n\n\n", "c", ".\n", "d", "\n\n", "</think>"],
        [2, 4],
    ),
    "leading: right after the tag": (["<think>", STEP, "a", STEP, "</think>"], [3]),
    "leading: first of all": ([STEP, "a", STEP, "b"], [2]),
    "second token of the thinking": (["<think>", "a", STEP, "</think>"], [2]),
    "of a run the first": (["<think>", "a", STEP, STEP, ").\n\n", "b", STEP, "</think>"], [2, 6]),
    "a leading run": (["<think>", STEP, STEP, "a", STEP, "</think>"], [4]),
    "right before the closing tag": (["<think>", "a", STEP, "</think>"], [2]),
    "none": (["<think>", "a", "b", "</think>", "c", STEP], []),
    "nothing thought": (["<think>", "</think>", "a", STEP], []),
    "never closed": (["<think>", "a", STEP, "b", STEP], [2, 4]),
    "no tags at all": (["a", STEP, "b", STEP, "c"], [1, 3]),
    "only the closing tag": (["a", STEP, "</think>", "b", STEP], [1]),
    "the first closing tag counts": (["a", STEP, "</think>", "b", STEP, "</think>"], [1]),
    "an opening tag after some words": (["b", "<think>", STEP, "a", STEP, "</think>"], [4]),
    "an opening tag after a step is text": (["a", STEP, "<think>", STEP, "b", STEP], [1, 3, 5]),
    "a second opening tag is text": (["<think>", "a", "<think>", STEP, "</think>"], [3]),
    "empty": ([], []),
}


@pytest.mark.parametrize("name", TRACES)
def test_traces(name: str) -> None:
    pieces, ends = TRACES[name]
    segmenter, ids = bound(pieces)
    assert segmenter.ends(ids) == ends


@pytest.mark.parametrize(
    ("rule", "ends"), [("newline", [1, 3, 5]), ("blank_line", [3]), (r"regex:[a-c]$", [2, 4, 6]), ("official_zh", [1])]
)
def test_other_rules(rule: str, ends: list[int]) -> None:
    segmenter, ids = bound(["x", "\n", "a", "b\n\n", "c", "de\n", "a", "b"], rule, tags=None)
    if rule == "official_zh":
        segmenter, ids = bound(["x", "y", "z\n", "w", "ab\n", "c", "。", "\n"], rule, tags=None)
        ends = [2, 6]  # `ab\n` has two other characters; the last follows a step token
    assert segmenter.ends(ids) == ends


def test_a_prompt_may_hold_the_opening_tag_and_steps_of_its_own() -> None:
    prompt = ["<", "q", STEP, "r", STEP, "<think>"]
    segmenter, ids = bound([*prompt, "a", STEP, "b", "</think>", "c"])
    assert segmenter.ends(ids, start=len(prompt)) == [7]
    assert segmenter.span(ids, start=len(prompt)) == Span(start=6, stop=9, end=9)


def test_the_first_token_after_the_prompt_is_no_step() -> None:
    segmenter, ids = bound(["q", "<think>", STEP, "a", STEP])
    assert segmenter.ends(ids, start=2) == [4]


def test_forced_tokens_end_nothing() -> None:
    segmenter, ids = bound(["<think>", "a", STEP, "b", STEP, "c", STEP, "</think>"])
    assert segmenter.ends(ids, forced=[(4, 5)]) == [2, 6]
    assert segmenter.ends(ids, forced=[(0, 3), (6, 8)]) == [4]
    official, ids = bound(["<think>", "a", STEP, "b", STEP, "</think>"], "official")
    assert official.ends(ids, forced=[(4, 5)]) == [2]


@pytest.mark.parametrize(
    ("pieces", "span", "ends"),
    [
        (["<", "think", ">", "a", STEP, "</", "think", ">", "b", STEP], Span(3, 5, 7), [4]),
        (["<", "think", ">\n", "a", STEP, "</", "think", ">\n\n", "b", STEP], Span(3, 5, 7), [4]),  # tags that run on
        (["<", "think", ">", STEP, "a", STEP], Span(3, 6, 5), [5]),
        (["a", STEP, "</", "thin", "b", STEP], Span(0, 6, 5), [1, 5]),  # half a tag is no tag
        (["<", "think", "a", STEP], Span(0, 4, 3), [3]),
    ],
)
def test_tags_of_several_tokens(pieces: list[str], span: Span, ends: list[int]) -> None:
    tokenizer = Pieces("<", "</", "think", "thin", ">", ">\n", ">\n\n", "a", "b", STEP)
    segmenter = Segmenter.bind("paper", TAGS, TokenTable(tokenizer))
    ids = [tokenizer.pieces.index(piece) for piece in pieces]
    assert segmenter.span(ids) == span
    assert segmenter.ends(ids) == ends


def test_a_tag_of_several_tokens_counts_only_where_it_begins_after_the_prompt() -> None:
    tokenizer = Pieces("<", "think", ">", "a", STEP, "</")
    segmenter = Segmenter.bind("paper", TAGS, TokenTable(tokenizer))
    ids = tokenizer.encode("a<think>a.\n\na")
    assert segmenter.span(ids, start=2).start == 2
    assert segmenter.span(ids, start=1).start == 4


# -- what is graded ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "graded"),
    [
        (["<think>", "a", STEP, "b", "</think>", "c"], [2]),
        (["<think>", "a", "b", "</think>", "c"], [3]),  # the token that closed it
        (["<think>", "a", "b"], [2]),  # its last token
        (["a", "b"], [1]),
        ([], []),
    ],
)
def test_a_thinking_without_steps_is_graded_at_its_end(pieces: list[str], graded: list[int]) -> None:
    segmenter, ids = bound(pieces)
    assert segmenter.graded(ids) == graded
    official, ids = bound(pieces, "official")
    assert official.graded(ids) == official.ends(ids) and not official.grades_empty


def test_a_prompt_alone_is_not_graded() -> None:
    segmenter, ids = bound(["q", "<think>"])
    assert segmenter.graded(ids, start=2) == []


@pytest.mark.parametrize(
    ("pieces", "steps"),
    [
        (["<think>", "a", STEP, "b", "</think>", "c"], [(1, 3), (3, 5)]),
        (["<think>", "a", STEP, "</think>", "c"], [(1, 3)]),  # nothing between the step and the closing tag
        (["<think>", "a", STEP, STEP, "</think>"], [(1, 3)]),  # nothing but a step token
        (["a", STEP, "b", "c"], [(0, 2), (2, 4)]),
        (["a", STEP, "b"], [(0, 2)]),  # the last token alone, which is where an end of text would be
        (["<think>", "a", "</think>"], [(1, 3)]),
        ([], []),
    ],
)
def test_with_graded_ends_what_stands_behind_the_last_step_is_a_step(pieces: list[str], steps: list[tuple[int, int]]) -> None:
    segmenter, ids = bound(pieces)
    assert replace(segmenter, grade_end=True).steps(ids) == steps
    assert segmenter.steps(ids) == steps[: max(1, len(segmenter.ends(ids)))]


def test_where_the_head_reads() -> None:
    assert [read_index(5, -1), read_index(5, 0), read_index(0, -1)] == [4, 5, 0]
    assert [read_window((2, 6), offset, "token") for offset in (-1, 0)] == [(4, 5), (5, 6)]
    assert [read_window((2, 6), offset, "step") for offset in (-1, 0)] == [(1, 5), (2, 6)]
    assert [read_window(step, -1, "step") for step in ((0, 3), (0, 1), (3, 3))] == [(0, 2), (0, 1), (1, 2)]


# -- the authors' scorer -----------------------------------------------------------------------------------------------


def authors_positions(ids: list[int], steps: set[int], opening: int | None, closing: int | None) -> list[int]:
    """Where the authors' scorer reads, by masks over the whole text as METHOD describes them, one after the other."""
    mask = [token in steps for token in ids]
    mask = [here and not before for here, before in zip(mask, [False, *mask], strict=False)]
    mask = [here and before != opening for here, before in zip(mask, [None, *ids], strict=False)]
    shifted = [*mask[1:], False]
    think = ids.index(opening) if ids.count(opening) == 1 else 0
    close = ids.index(closing) if ids.count(closing) == 1 else len(ids)
    return [position for position, here in enumerate(shifted) if here and think < position < close]


@given(
    st.lists(st.integers(0, 6), max_size=24),
    st.sets(st.integers(0, 6), min_size=1, max_size=3),
    st.sampled_from([((4,), (5,)), ((4, 6), (5, 6)), ((4, 5, 6), (4, 1, 6)), None]),
    st.sampled_from(["official", "official_zh"]),
)
def test_official_ends_are_one_behind_the_authors_positions(
    ids: list[int], steps: set[int], tags: tuple[tuple[int, ...], tuple[int, ...]] | None, rule: str
) -> None:
    made = Tags(*(Tag("", tag[:-1], frozenset(tag[-1:])) for tag in tags)) if tags else None
    opening, closing = (tag[0] for tag in tags) if tags else (None, None)
    segmenter = Segmenter(rule, frozenset(steps), made)
    assert [end - 1 for end in segmenter.ends(ids)] == authors_positions(ids, steps, opening, closing)


def test_the_corner_cases_of_the_authors_scorer() -> None:
    for pieces, ends in (
        (["<think>", "a", STEP, "b", STEP, "</think>"], [2, 4]),
        (["<think>", STEP, "a", STEP, "</think>"], [3]),
        (["a", STEP, "b", STEP], [3]),  # without a tag the first two positions end nothing
        (["<think>", "<think>", "a", STEP, "</think>"], [3]),  # an opening tag that occurs twice is none
        (["<think>", "a", STEP, "</think>", "b", STEP, "</think>"], [2, 5]),  # nor is such a closing tag
        (["<think>", "a", "</think>", STEP, "b"], []),
    ):
        segmenter, ids = bound(pieces, "official")
        assert segmenter.ends(ids) == ends


# -- one rule for finished and growing traces --------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5), max_size=24), st.integers(0, 3), st.sampled_from([((4,), (5,)), ((4, 3), (5, 3)), None]))
def test_a_growing_trace_has_the_steps_of_the_finished_one(
    ids: list[int], start: int, tags: tuple[tuple[int, ...], tuple[int, ...]] | None
) -> None:
    made = Tags(*(Tag("", tag[:-1], frozenset(tag[-1:])) for tag in tags)) if tags else None
    segmenter = Segmenter("paper", frozenset({0, 1}), made)
    ends = segmenter.ends(ids, start)
    for length in range(len(ids) + 1):
        assert segmenter.ends(ids[:length], start) == [end for end in ends if end < length]
    span = segmenter.span(ids, start)
    assert all(span.start < end < span.stop and segmenter.ends_step(ids[end], ids[end - 1]) for end in ends)
    assert all(later - earlier > 1 for earlier, later in pairwise(ends))


# -- names -------------------------------------------------------------------------------------------------------------


def test_rules_are_checked_by_name() -> None:
    assert [check_rule(rule) for rule in (*PRESETS, "regex:[.!?]$")] == [*PRESETS, "regex:[.!?]$"]
    with pytest.raises(OptionError, match=r"Unknown step rule 'papr': .*Did you mean 'paper'"):
        check_rule("papr")
    with pytest.raises(OptionError, match=r"Step rule 'regex:\[' is no regular expression"):
        check_rule("regex:[")


def test_a_vocabulary_without_step_tokens_is_refused() -> None:
    with pytest.raises(OptionError, match="No token of this vocabulary ends a step under the rule 'paper'"):
        step_tokens("paper", TokenTable(Pieces("a", "\n")))


# -- tokenizer families ------------------------------------------------------------------------------------------------

THOUGHT = "We add 2 and 3.\n\nThat gives 5 (as it should).\n\nSo the answer is 5."
CORPUS = [THOUGHT, "One more.\n\nAnd then...\n\nDone!\n", "你好。\n再见。", "<think>\nWe think.\n\n</think>\n\nIt is 5."] * 8
LINES = ["We add 2 and 3.\n\n", "That gives 5 (as it should).\n\n"]


def byte_level():
    """Byte-level BPE with Qwen's habit of gluing newlines to punctuation."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    words = Regex(r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False))
    return tokenizer


def byte_fallback():
    """BPE over words marked by Metaspace; what it does not know, newlines too, falls back to bytes, as in Llama 2."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words = [text.replace("\n", " ") for text in CORPUS]
    tokenizer.train_from_iterator(words, trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False))
    return _with_plain_bytes(tokenizer)


def _with_plain_bytes(tokenizer):
    """Byte tokens as ordinary ones: a special token would be cut out of the text before the model sees it."""
    import json

    from tokenizers import Tokenizer

    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(state))


def unigram():
    """Unigram with Metaspace, as SentencePiece makes it; newlines are characters of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def word_piece():
    """WordPiece, which knows no white space at all."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=200, special_tokens=["[UNK]"], show_progress=False)
    )
    return tokenizer


def word_level():
    """Words and runs of newlines, each a token."""
    return _split(r"\n+|\s|\p{L}+|[^\s]")


def characters():
    """Each character a token."""
    return _split(r"[\s\S]")


def _split(pattern: str):
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.train_from_iterator(CORPUS, trainers.WordLevelTrainer(special_tokens=["[UNK]"], show_progress=False))
    return tokenizer


FAMILIES = {family.__name__: family for family in (byte_level, byte_fallback, unigram, word_piece, word_level, characters)}


@pytest.fixture(scope="module")
def tables() -> dict[str, TokenTable]:
    """One trained tokenizer of each family."""
    from transformers import PreTrainedTokenizerFast

    return {name: TokenTable(PreTrainedTokenizerFast(tokenizer_object=made())) for name, made in FAMILIES.items()}


@pytest.mark.parametrize(
    ("family", "rule", "steps"),
    [
        ("byte_level", "paper", LINES),
        ("byte_level", "official", LINES[:1]),  # `).\n\n` is another token
        ("byte_level", "newline", LINES),
        ("byte_fallback", "paper", None),
        ("byte_fallback", "newline", [" We add 2 and 3.\n", "\nThat gives 5 (as it should).\n"]),
        ("unigram", "newline", LINES),
        ("word_piece", "newline", None),
        ("word_piece", "regex:[.]", ["We add 2 and 3.", "That gives 5 ( as it should ).", "So the answer is 5."]),
        ("word_level", "paper", None),
        ("word_level", "blank_line", LINES),
        ("characters", "blank_line", None),
        ("characters", "newline", ["We add 2 and 3.\n", "\nThat gives 5 (as it should).\n"]),
    ],
)
def test_presets_on_each_family(tables: dict[str, TokenTable], family: str, rule: str, steps: list[str] | None) -> None:
    table = tables[family]
    if steps is None:
        with pytest.raises(OptionError, match="No token of this vocabulary"):
            step_tokens(rule, table)
        return
    ids = table.encode(THOUGHT)
    ends = Segmenter.bind(rule, None, table).ends(ids)
    starts = [0, *(end + 1 for end in ends)]
    assert [table.decode(ids[start : end + 1]) for start, end in zip(starts, ends, strict=False)] == steps


@pytest.mark.parametrize("family", ["byte_level", "characters"])
def test_tags_on_each_family(tables: dict[str, TokenTable], family: str) -> None:
    table = tables[family]
    segmenter = Segmenter.bind("newline", TAGS, table)
    ids = table.encode("<think>\nWe think.\n\n</think>\n\nIt is 5.")
    span = segmenter.span(ids)
    assert table.decode(ids[span.start : span.stop]).strip() == "We think."
    assert table.decode(ids[: span.end + 1]).rstrip().endswith("</think>")
    assert len(segmenter.ends(ids)) == 1


# -- real tokenizers ---------------------------------------------------------------------------------------------------


@pytest.mark.real
def test_the_real_vocabulary_of_qwen(real_models: Path) -> None:
    table = _real(real_models / "qwen2.5-coder-0.5b")
    paper = step_tokens("paper", table)
    assert len(paper) == 46 and table.texts[382] == STEP
    assert step_tokens("official", table) == {382} and 382 in paper
    assert step_tokens("paper", table) < step_tokens("blank_line", table) < step_tokens("newline", table)
    ids = table.encode(f"<think>\n{THOUGHT}\n</think>\n\nIt is 5.\n\nYes.")
    segmenter = Segmenter.bind("paper", TAGS, table)
    assert [table.texts[ids[end]] for end in segmenter.ends(ids)] == [".\n\n", ").\n\n"]


@pytest.mark.real
def test_the_real_vocabulary_of_smollm2_has_no_step_tokens_of_the_paper(real_models: Path) -> None:
    table = _real(real_models / "smollm2-135m")
    with pytest.raises(OptionError, match="under the rule 'paper'"):
        step_tokens("paper", table)
    assert {table.texts[token] for token in step_tokens("official", table)} == {".", "\n\n"}
    ids = table.encode(THOUGHT)
    assert Segmenter.bind("blank_line", None, table).ends(ids) == []  # before a word it writes two single newlines
    assert [table.texts[ids[end]] for end in Segmenter.bind("newline", None, table).ends(ids)] == ["\n", "\n"]


def _real(folder: Path) -> TokenTable:
    from transformers import AutoTokenizer

    return TokenTable(AutoTokenizer.from_pretrained(folder))
