"""A model of the UK AISI's Inspect: every request is solved in many thinkings, and the chosen one answers.

    inspect eval task.py --model reflectgen/tiny -M effort=medium -M select=sprm

Model arguments (`-M`) are those of `reflectgen.load.load`, the options of `Reflector.solve` and `instruction`. Of Inspect's
generation options `temperature`, `top_p`, `top_k`, `seed`, `reasoning_effort` (where an effort has that name) and `max_tokens`
(the reply; of a model without thinking tags its whole text) have the last word. `num_choices` above 1, tools and messages that
hold more than text are refused. The conversation goes through the model's chat template, earlier thinkings left out.

The chosen thinking is the message's reasoning, and the output's metadata hold its score, the share of votes behind the answer
and how many branches there were. Output tokens are those of all branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from reflectgen.adapters.arguments import open_model, prepare, split
from reflectgen.config import EFFORTS
from reflectgen.errors import OptionError
from reflectgen.prompts import Turn
from reflectgen.reflector import Options, thinkings, unit
from reflectgen.types import Result

SAME = ("temperature", "top_p", "top_k", "seed")
"""Generation options that are options of `Reflector.solve`, too."""
TEXT = ("system", "user", "assistant", "text", "reasoning")
"""Roles of messages and types of their parts that can be read; earlier reasoning is no part of a prompt."""


class ReflectiveAPI(ModelAPI):
    """`--model reflectgen/NAME`. Raises what `reflectgen.load.load` raises, and `OptionError` for an unknown argument."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008 - as the base class has it
        *,
        instruction: str = "",
        **arguments: Any,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        loading, self.options = split(arguments)
        self.reflector = open_model(model_name, instruction, loading)

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """Answer the conversation. Raises `OptionError` for tools, for several choices and for what is no text."""
        if tools:
            raise OptionError("A reflective model calls no tools: run a task without them.")
        if (config.num_choices or 1) > 1:
            raise OptionError("One answer is chosen among all thinkings: leave num_choices away and set k with -M k=8.")
        prepared = prepare(self.reflector, [_turn(message) for message in input], self._options(config), config.max_tokens)
        return self._output(await self.reflector.acarry_out(prepared))

    def max_connections(self) -> int:
        """Problems in the works at a time: as many as fill a batch."""
        return unit(thinkings(self.options))

    def collapse_user_messages(self) -> bool:
        """Whether messages that follow each other become one: many chat templates refuse them otherwise."""
        return True

    def collapse_assistant_messages(self) -> bool:
        """As `collapse_user_messages`."""
        return True

    async def aclose(self) -> None:
        """Free the memory."""
        self.reflector.close()

    def _options(self, config: GenerateConfig) -> Options:
        given = {name: getattr(config, name) for name in SAME if getattr(config, name) is not None}
        if config.reasoning_effort in EFFORTS:
            given["effort"] = config.reasoning_effort
        return cast(Options, {**self.options, **given})

    def _output(self, result: Result) -> ModelOutput:
        chosen = result.chosen
        content: Sequence[Any] = []
        if chosen is not None:
            thinking = [] if chosen.thinking == chosen.reply else [ContentReasoning(reasoning=chosen.thinking)]
            content = [*thinking, ContentText(text=chosen.reply)]
        message = ChatMessageAssistant(content=list(content), model=self.model_name, source="generate")
        cost = result.cost
        return ModelOutput(
            model=self.model_name,
            choices=[ChatCompletionChoice(message=message, stop_reason="stop")],
            usage=ModelUsage(
                input_tokens=cost.tokens_prefilled,
                output_tokens=cost.tokens_generated,
                total_tokens=cost.tokens_prefilled + cost.tokens_generated,
                reasoning_tokens=cost.tokens_generated - (0 if chosen is None else len(chosen.token_ids) - chosen.tokens),
            ),
            time=cost.seconds,
            metadata={
                "score": None if chosen is None else chosen.score,
                "share": result.choice.share,
                "branches": len(result.trajectories),
                "strategy": result.strategy,
                "select": result.select,
            },
        )


def _turn(message: ChatMessage) -> Turn:
    """A message for the chat template. Raises `OptionError` where it is more than text."""
    kinds = [] if isinstance(message.content, str) else [part.type for part in message.content]
    for kind in (message.role, *kinds):
        if kind not in TEXT:
            raise OptionError(f"A reflective model reads text alone, and a message holds '{kind}': run a task without it.")
    return {"role": message.role, "content": message.text}
