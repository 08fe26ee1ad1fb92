"""Arguments of a harness's model: each goes where it belongs, and a wrong one is told before a model is loaded."""

import pytest

from reflectgen.adapters.arguments import open_model, split
from reflectgen.errors import OptionError


def test_loading_and_solving_are_told_apart() -> None:
    found = split({"dtype": "float32", "effort": "low", "select": "sprm", "device": "cpu"})
    assert found == ({"dtype": "float32", "device": "cpu"}, {"effort": "low", "select": "sprm"})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"efort": "low"}, "Unknown argument of the model 'efort'"),
        ({"effort": "huge"}, "Unknown effort 'huge'"),
        ({"observe": print}, "Unknown argument of the model 'observe'"),
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
