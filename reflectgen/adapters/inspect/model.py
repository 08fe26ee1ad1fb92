"""A model of the UK AISI's Inspect: every request is solved in many thinkings, and the chosen one answers.

    inspect eval task.py --model reflectgen/tiny -M effort=medium -M select=sprm

Model arguments (`-M`) are those of `reflectgen.load.load`, the options of `Reflector.solve` and `instruction`. Of Inspect's
generation options `temperature`, `top_p`, `top_k`, `seed`, `reasoning_effort` (where an effort has that name) and `max_tokens`
(the reply; of a model without thinking tags its whole text) have the last word. `num_choices` above 1 and tools are refused.

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

from reflectgen.adapters.arguments import open_model, split
from reflectgen.config import EFFORTS
from reflectgen.errors import OptionError
from reflectgen.reflector import LIVE_BRANCHES, Options, thinkings
from reflectgen.types import Problem, Result

SAME = ("temperature", "top_p", "top_k", "seed")
"""Generation options that are options of `Reflector.solve`, too."""


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
        """Solve what the messages ask. Raises `OptionError` for tools and for several choices."""
        if tools:
            raise OptionError("A reflective model calls no tools: run a task without them.")
        if (config.num_choices or 1) > 1:
            raise OptionError("One answer is chosen among all thinkings: leave num_choices away and set k with -M k=8.")
        problem = Problem(text="\n\n".join(message.text for message in input))
        return self._output(await self.reflector.asolve(problem, **self._options(config)))

    def max_connections(self) -> int:
        """Problems in the works at a time: as many as fill a batch."""
        return max(1, LIVE_BRANCHES // thinkings(self.options))

    async def aclose(self) -> None:
        """Free the memory."""
        self.reflector.close()

    def _options(self, config: GenerateConfig) -> Options:
        given = {name: getattr(config, name) for name in SAME if getattr(config, name) is not None}
        if config.reasoning_effort in EFFORTS:
            given["effort"] = config.reasoning_effort
        if config.max_tokens is not None:
            tags = self.reflector.engine.grammar.segmenter.tags
            given["max_tokens" if tags is None else "answer_tokens"] = config.max_tokens
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
