from pathlib import Path

import pytest

from reflectgen.config import CorpusConfig, PromptConfig
from reflectgen.steps import Segmenter, TokenTable
from reflectgen.train.corpus import Corpus, Row, corpus_texts
from reflectgen.train.vocabulary import TAGS, build_tokenizer

CONFIG = CorpusConfig(seed=5, vocabulary_texts=200)
TOKENIZER = build_tokenizer(corpus_texts(CONFIG), 640, 512)


def corpus(config: CorpusConfig = CONFIG, batch: int = 4) -> Corpus:
    segmenter = Segmenter.bind("paper", TAGS, TokenTable(TOKENIZER))
    return Corpus(config, PromptConfig(instruction="", tags=TAGS), TOKENIZER, segmenter, size=40, batch=batch)


def text(row: Row) -> str:
    return str(TOKENIZER.decode(row.ids))


def test_a_row_is_prompt_thinking_reply_and_end() -> None:
    row = corpus()[0]
    prompt, thinking = text(row).split("<think>\n")
    assert TOKENIZER.decode(row.ids[: row.prompt]) == prompt + "<think>\n"
    assert thinking.rpartition("</think>\n")[2].startswith("The answer is \\boxed{")
    assert thinking.endswith("}.<eos>")


def test_steps_end_at_the_step_tokens_of_the_thinking_and_each_has_a_reading() -> None:
    for index in range(40):
        row = corpus()[index]
        assert {TOKENIZER.decode([row.ids[end]]) for end in row.ends} == {".\n\n"}
        assert len(row.ends) == len(row.readings) == text(row).count(".\n\n")
        assert min(row.ends) > row.prompt


def test_all_rows_of_a_batch_have_equally_many_events_and_batches_differ() -> None:
    counts = [len(corpus()[index].ends) for index in range(40)]
    assert all(len(set(counts[start : start + 4])) == 1 for start in range(0, 40, 4))
    assert len(set(counts)) > 2


def test_a_row_depends_on_the_configuration_and_its_index_alone() -> None:
    assert corpus()[17] == corpus()[17]
    assert corpus()[17] != corpus(CONFIG.model_copy(update={"seed": 6}))[17]


def test_without_misconceptions_every_row_is_right() -> None:
    clean = corpus(CONFIG.model_copy(update={"misconceptions": 0.0}))
    assert all(clean[index].correct and all(clean[index].readings) for index in range(40))


def test_the_vocabulary_is_built_from_texts_without_tags() -> None:
    texts = list(corpus_texts(CONFIG))
    assert len(texts) == 400
    assert not any("think>" in line for line in texts)


@pytest.mark.parametrize("events", [(13,), (0,)])
def test_a_problem_has_one_to_twelve_events(events: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="events"):
        CorpusConfig(events=events)


def test_the_recipe_of_the_bundled_model_is_valid(request: pytest.FixtureRequest) -> None:
    from reflectgen.config import SupervisedConfig, load_recipe

    recipe = Path(str(request.config.rootpath)) / "recipes" / "tiny" / "supervised.yaml"
    assert load_recipe(SupervisedConfig, recipe).backbone.vocab_size == 640
