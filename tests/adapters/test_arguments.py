"""Arguments of a harness's model: each goes where it belongs, and a wrong one is told before a model is loaded."""

from collections.abc import Iterator

import pytest

from reflectgen.adapters.arguments import open_model, prepare, split
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.errors import InputError, OptionError
from reflectgen.reflector import Reflector

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "2 + 2?"},
    {"role": "assistant", "content": "4"},
    {"role": "user", "content": "And 3 more?"},
]


@pytest.fixture(scope="module")
def model() -> Iterator[Reflector]:
    with open_model("tiny", "", {"device": "cpu"}) as model:
        yield model


def test_loading_and_solving_are_told_apart() -> None:
    found = split({"dtype": "float32", "effort": "low", "select": "sprm", "device": "cpu"})
    assert found == ({"dtype": "float32", "device": "cpu"}, {"effort": "low", "select": "sprm"})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"efort": "low"}, "Unknown argument of the model 'efort'"),
        ({"effort": "huge"}, "Unknown effort 'huge'"),
        ({"observe": print}, "Unknown argument of the model 'observe'"),
        ({"prompt": [1]}, "Unknown argument of the model 'prompt'"),
        ({"strategy": "beam", "settings": {"width": 3}}, "width"),
    ],
)
def test_a_wrong_one_is_one_sentence(arguments: dict, sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        split(arguments)


def test_the_models_own_instruction_gives_way_to_the_harnesses() -> None:
    with open_model("tiny", "Answer in French.", {"device": "cpu"}) as model:
        assert model.identity.prompt.instruction == "Answer in French."
        assert model.identity.prompt.tags == ("<think>", "</think>")


def test_a_conversation_goes_through_the_models_template_with_its_roles(model: Reflector) -> None:
    prepared = prepare(model, TALK, {"k": 2, "seed": 5}, None, "an-id")
    text = model.engine.grammar.table.decode(prepared.request.prompt)
    assert text == "Be brief.\n2 + 2?\n4<eos>\nAnd 3 more?\n<think>\n"
    assert (prepared.request.problem.text, prepared.request.problem.id) == ("And 3 more?", "an-id")
    assert (prepared.request.k, prepared.request.seed) == (2, 5)
    with pytest.raises(InputError, match="let the last message be the user's"):
        prepare(model, TALK[:3], {}, None)


def test_a_single_message_is_asked_as_a_problem_is(model: Reflector) -> None:
    prepared = prepare(model, TALK[1:2], {}, None)
    assert prepared.request.prompt == model.prepare("2 + 2?").request.prompt


def test_the_length_is_the_replys_where_there_are_tags_and_else_the_whole_texts(model: Reflector) -> None:
    tagged = prepare(model, TALK, {"max_tokens": 90}, 7).request.sampling
    assert (tagged.max_tokens, tagged.answer_tokens) == (90, 7)
    engine = ScriptedEngine([Script("Yes.")], tags=None, step_rule="newline")
    with Reflector(engine, engine.encode) as untagged:
        assert prepare(untagged, TALK, {"max_tokens": 90}, 7).request.sampling.max_tokens == 7
        assert prepare(untagged, TALK, {"max_tokens": 90}, None).request.sampling.max_tokens == 90
