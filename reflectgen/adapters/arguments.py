"""What a harness passes: the arguments that load a model, those that say how it solves, and the conversations that it asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from reflectgen.config import PromptConfig
from reflectgen.errors import unknown
from reflectgen.load import load
from reflectgen.prompts import Turn
from reflectgen.reflector import Options, Prepared, Reflector, check
from reflectgen.types import Problem

LOADING = (
    "head",
    "engine",
    "adapter",
    "device",
    "dtype",
    "kv_budget",
    "step_rule",
    "prm",
    "allow_backbone_mismatch",
    "trust_remote_code",
)
"""Arguments of `reflectgen.load.load`, under their names there."""
SOLVING = tuple(name for name in Options.__annotations__ if name not in ("extract", "observe", "prompt"))
"""Options of `Reflector.solve`, under their names there."""


def split(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], Options]:
    """The arguments that load a model, and those that say how it solves, checked; raises `OptionError` for any other."""
    for name in arguments:
        if name not in LOADING and name not in SOLVING:
            raise unknown("argument of the model", name, (*LOADING, *SOLVING))
    options = cast(Options, {name: value for name, value in arguments.items() if name in SOLVING})
    check(options)
    return {name: value for name, value in arguments.items() if name in LOADING}, options


def open_model(model: str, instruction: str, loading: Mapping[str, Any]) -> Reflector:
    """The model, which is asked what the harness asks and `instruction`, in place of what its own files say."""

    def asked(own: PromptConfig) -> PromptConfig:
        return own.model_copy(update={"instruction": instruction})

    return load(model, prompt=asked, **loading)


def prepare(model: Reflector, turns: Sequence[Turn], options: Options, tokens: int | None, id: str = "") -> Prepared:
    """The search that answers a conversation by a reply of at most `tokens`; of a model without thinking tags, whose whole text
    is its thinking, that is the length of its text.

    The conversation goes through the model's chat template with its roles kept, and the last turn, the user's, is asked as a
    problem is. Raises `InputError` for any other conversation, and what `Reflector.prepare` raises.
    """
    tags = model.engine.grammar.segmenter.tags
    length = {} if tokens is None else {"max_tokens" if tags is None else "answer_tokens": tokens}
    prompt = model.chat(turns)
    problem = Problem(text=turns[-1]["content"], id=id)
    return model.prepare(problem, **cast(Options, {**options, **length, "prompt": prompt}))
