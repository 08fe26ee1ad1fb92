import jinja2
import pytest

from reflectgen.config import PromptConfig
from reflectgen.errors import InputError
from reflectgen.prompts import conversation, encode, encode_chat, messages


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


TALK = [
    {"role": "user", "content": "What is 2 + 3?"},
    {"role": "assistant", "content": "5"},
    {"role": "user", "content": " And twice that? "},
]


def test_the_last_question_of_a_conversation_is_asked_as_a_problem_is() -> None:
    config = PromptConfig(system="Be brief.", instruction="Use \\boxed{}.")
    *earlier, question = conversation(TALK, config)
    assert earlier == [{"role": "system", "content": "Be brief."}, *TALK[:2]]
    assert question == {"role": "user", "content": "And twice that?\n\nUse \\boxed{}."}
    alone = [{"role": "user", "content": "Why?"}]
    assert encode_chat(alone, config, Words("a template")) == encode("Why?", config, Words("a template"))


def test_a_conversation_with_a_system_message_keeps_its_own() -> None:
    own = {"role": "system", "content": "Speak."}
    assert conversation([own, *TALK], PromptConfig(system="Be brief."))[0] == own
    assert sum(turn["role"] == "system" for turn in conversation([own, *TALK], PromptConfig(system="Be brief."))) == 1


@pytest.mark.parametrize("turns", [[], TALK[:2]])
def test_a_conversation_ends_with_a_question(turns: list[dict[str, str]]) -> None:
    with pytest.raises(InputError, match="let the last message be the user's"):
        conversation(turns, PromptConfig())


def test_what_the_template_refuses_is_told() -> None:
    class Strict(Words):
        def apply_chat_template(self, conversation: list[dict[str, str]], **options: bool) -> str:
            raise jinja2.TemplateError("only one system message")

    with pytest.raises(InputError, match="chat template refuses this conversation: only one system message"):
        encode_chat(TALK, PromptConfig(), Strict("a template"))
