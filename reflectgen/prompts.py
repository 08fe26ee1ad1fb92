"""Problem, or conversation -> chat messages -> token ids.

A model with a chat template gets the messages through it, with the opening of its own turn added (the template of a
reasoning model writes the opening tag there). A model without one gets the same parts as plain text, a blank line
between them. Text that begins the model's turn for it (`PromptConfig.reply`) follows, and all is encoded as one text.

A problem is a conversation of one question. In a longer one the last question is asked as a problem would be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from reflectgen.config import PromptConfig
from reflectgen.errors import InputError

BLANK_LINE = "\n\n"

Turn = Mapping[str, str]
"""One message of a conversation: its `role` (system, user or assistant) and its `content`."""


class ChatTokenizer(Protocol):
    """What a prompt needs of a transformers tokenizer."""

    chat_template: str | None

    def encode(self, text: str, *, add_special_tokens: bool = ...) -> list[int]: ...
    def apply_chat_template(
        self, conversation: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str: ...


def messages(problem: str, config: PromptConfig) -> list[dict[str, str]]:
    """The chat that asks `problem`: a system message where one is configured, then the problem and the instruction.

    Raises `InputError` where the problem is empty or blank.
    """
    if not problem.strip():
        raise InputError("The prompt is empty: write the problem to solve.")
    user = BLANK_LINE.join(part for part in (problem.strip(), config.instruction) if part)
    system = [{"role": "system", "content": config.system}] if config.system else []
    return [*system, {"role": "user", "content": user}]


def conversation(turns: Sequence[Turn], config: PromptConfig) -> list[dict[str, str]]:
    """The chat that goes through `turns`: the last one is asked as a problem is, with the instruction.

    The configured system message stands first, unless the conversation has one of its own. Raises `InputError` where the
    last turn is not the user's, or is blank.
    """
    if not turns or turns[-1]["role"] != "user":
        raise InputError("The conversation does not end with a question: let the last message be the user's.")
    *earlier, question = turns
    *system, asked = messages(question["content"], config)
    if any(turn["role"] == "system" for turn in earlier):
        system = []
    return [*system, *(dict(turn) for turn in earlier), asked]


def encode(problem: str, config: PromptConfig, tokenizer: ChatTokenizer) -> list[int]:
    """Token ids of the prompt for `problem`. Raises `InputError` where the problem is empty or blank."""
    return _ids(messages(problem, config), config, tokenizer)


def encode_chat(turns: Sequence[Turn], config: PromptConfig, tokenizer: ChatTokenizer) -> list[int]:
    """Token ids of the prompt for a conversation. Raises `InputError` as `conversation`, and where the template refuses it."""
    from jinja2 import TemplateError

    try:
        return _ids(conversation(turns, config), config, tokenizer)
    except TemplateError as error:
        raise InputError(f"The model's chat template refuses this conversation: {error}.") from None


def _ids(chat: list[dict[str, str]], config: PromptConfig, tokenizer: ChatTokenizer) -> list[int]:
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return tokenizer.encode(text + config.reply, add_special_tokens=False)  # the template has written its own
    return tokenizer.encode("".join(message["content"] + BLANK_LINE for message in chat) + config.reply)
