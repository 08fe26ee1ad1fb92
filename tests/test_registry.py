import pytest

from reflectgen import registry
from reflectgen.errors import OptionError

TABLE = {"one": 1, "two": 2}


def test_the_table_comes_first() -> None:
    assert registry.find("number", "two", TABLE) == 2


def test_a_module_and_attribute_name_anything() -> None:
    assert registry.find("text", "string:digits", {"none": ""}) == "0123456789"


@pytest.mark.parametrize("name", ["string:nothing", "no.such.module:x", ":x", ".relative:x"])
def test_what_cannot_be_imported_is_one_sentence(name: str) -> None:
    with pytest.raises(OptionError, match=f"The number '{name}' cannot be imported"):
        registry.find("number", name, TABLE)


def test_an_unknown_name_lists_the_table() -> None:
    with pytest.raises(OptionError, match=r"Unknown number 'tow': choose one of one, two\. Did you mean 'two'\?"):
        registry.find("number", "tow", TABLE)


def test_what_the_table_could_not_hold_is_refused() -> None:
    with pytest.raises(OptionError, match="'json:__name__' is no strategy: it must be a function, and it is a str"):
        registry.find("strategy", "json:__name__", {"own": lambda: None})
    with pytest.raises(OptionError, match=r"'json:dumps' is no number: it must be a builtins\.int, and it is a function"):
        registry.find("number", "json:dumps", {"one": 1})
