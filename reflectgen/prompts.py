"""Problem -> chat messages -> token ids.

A model with a chat template gets the messages through it, with the opening of its own turn added (the template of a
reasoning model writes the opening tag there). A model without one gets the same parts as plain text, a blank line
between them. Text that begins the model's turn for it (`PromptConfig.reply`) follows, and all is encoded as one text.
"""

from __future__ import annotations

from typing import Protocol

from reflectgen.config import PromptConfig
from reflectgen.errors import InputError

BLANK_LINE = "\n\n"


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


def encode(problem: str, config: PromptConfig, tokenizer: ChatTokenizer) -> list[int]:
    """Token ids of the prompt for `problem`. Raises `InputError` where the problem is empty or blank."""
    chat = messages(problem, config)
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return tokenizer.encode(text + config.reply, add_special_tokens=False)  # the template has written its own
    return tokenizer.encode("".join(message["content"] + BLANK_LINE for message in chat) + config.reply)
