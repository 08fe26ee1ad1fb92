import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectgen import prompts
from reflectgen.config import CorpusConfig, PromptConfig
from reflectgen.steps import Segmenter, TokenTable
from reflectgen.train.corpus import corpus_texts
from reflectgen.train.vocabulary import TAGS, build_tokenizer

TOKENIZER = build_tokenizer(corpus_texts(CorpusConfig(vocabulary_texts=300)), 640, 512)


def encode(text: str) -> list[int]:
    return TOKENIZER.encode(text, add_special_tokens=False)


def pieces(text: str) -> list[str]:
    return [TOKENIZER.decode([token]) for token in encode(text)]


@given(st.text())
def test_any_text_decodes_to_itself(text: str) -> None:
    assert TOKENIZER.decode(encode(text)) == text


@pytest.mark.parametrize(
    "text", [" a  b ,\n\n\t.", "12 + 30 .", "caf\u00e9 \u4f60\u597d \U0001f642 \u0663", "don 't <think>x</think> y"]
)
def test_hard_texts_decode_to_themselves_even_without_special_tokens(text: str) -> None:
    assert TOKENIZER.decode(encode(text), skip_special_tokens=True) == text


def test_numbers_are_written_digit_by_digit_and_words_are_tokens() -> None:
    assert pieces("Tom has 120 shells.") == ["Tom", " has", " 1", "2", "0", " shells", "."]


def test_the_end_of_a_step_and_the_box_are_one_token_each() -> None:
    assert pieces(" = 48.\n\n") == [" =", " 4", "8", ".\n\n"]
    assert pieces("Well...\n\n")[-3:] == [".", ".", ".\n\n"]
    assert pieces(" \\boxed{7}.") == [" \\boxed{", "7", "}", "."]


def test_the_paper_rule_finds_exactly_that_token_and_the_tags_are_single() -> None:
    segmenter = Segmenter.bind("paper", TAGS, TokenTable(TOKENIZER))
    assert segmenter.tokens == {encode(".\n\n")[0]}
    assert [len(encode(tag)) for tag in TAGS] == [1, 1]


def test_the_vocabulary_has_the_size_that_was_asked_for_with_reserved_tokens_and_no_unknown_one() -> None:
    assert len(TOKENIZER) == TOKENIZER.backend_tokenizer.get_vocab_size() == 640
    assert sum(token.startswith("<reserved_") for token in TOKENIZER.get_vocab()) >= 4
    assert TOKENIZER.unk_token is None
    assert (TOKENIZER.eos_token, TOKENIZER.pad_token, TOKENIZER.model_max_length) == ("<eos>", "<pad>", 512)


def test_a_prompt_ends_with_the_opening_tag() -> None:
    ids = prompts.encode("How many?", PromptConfig(instruction="", tags=TAGS), TOKENIZER)
    assert TOKENIZER.decode(ids) == "How many?\n<think>\n"


def test_a_conversation_keeps_its_turns_apart() -> None:
    turns = [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}, {"role": "user", "content": "C"}]
    assert TOKENIZER.apply_chat_template(turns, tokenize=False) == "A\nB<eos>\nC\n"


def test_equal_texts_give_equal_tokenizers() -> None:
    again = build_tokenizer(corpus_texts(CorpusConfig(vocabulary_texts=300)), 640, 512)
    assert again.backend_tokenizer.to_str() == TOKENIZER.backend_tokenizer.to_str()
