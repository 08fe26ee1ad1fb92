import pytest

from reflectgen.config import PromptConfig
from reflectgen.errors import InputError
from reflectgen.prompts import encode, messages


class Words:
    """A tokenizer that hands back the text itself, one code point a token, and `^` for its special tokens."""

    def __init__(self, chat_template: str | None) -> None:
        self.chat_template = chat_template

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [ord(character) for character in ("^" if add_special_tokens else "") + text]

    def apply_chat_template(self, conversation: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool) -> str:
        assert add_generation_prompt and not tokenize
        return "".join(f"[{turn['role']}]{turn['content']}" for turn in conversation) + "[assistant]<think>"


def text(ids: list[int]) -> str:
    return "".join(map(chr, ids))


def test_the_instruction_follows_the_problem_after_a_blank_line() -> None:
    config = PromptConfig(system="Be brief.", instruction="Use \\boxed{}.")
    assert messages(" What is 2 + 3? ", config) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is 2 + 3?\n\nUse \\boxed{}."},
    ]


def test_nothing_is_added_where_nothing_is_configured() -> None:
    assert messages("Why?", PromptConfig(instruction="")) == [{"role": "user", "content": "Why?"}]


def test_a_chat_template_opens_the_models_turn() -> None:
    ids = encode("Why?", PromptConfig(system="S", instruction=""), Words("a template"))
    assert text(ids) == "[system]S[user]Why?[assistant]<think>"


def test_without_a_template_the_parts_are_plain_text() -> None:
    ids = encode("Why?", PromptConfig(system="S", instruction="I"), Words(None))
    assert text(ids) == "^S\n\nWhy?\n\nI\n\n"


@pytest.mark.parametrize(
    ("template", "prompt"), [("a template", "[user]Why?[assistant]<think>```python\n"), (None, "^Why?\n\n```python\n")]
)
def test_the_reply_is_begun_for_the_model(template: str | None, prompt: str) -> None:
    config = PromptConfig(instruction="", reply="```python\n")
    assert text(encode("Why?", config, Words(template))) == prompt


@pytest.mark.parametrize("problem", ["", " \n\t"])
def test_an_empty_prompt_is_refused(problem: str) -> None:
    with pytest.raises(InputError, match="The prompt is empty"):
        messages(problem, PromptConfig())
