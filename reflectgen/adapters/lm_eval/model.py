"""A model of EleutherAI's lm-evaluation-harness: every request is solved in many thinkings, and the chosen one's reply counts.

    python -m reflectgen.adapters.lm_eval run --model reflectgen \
        --model_args pretrained=tiny,effort=medium,select=sprm --tasks TASK --include_path DIR

is the harness's own command with this model among its names, since the harness does not look for models in other packages.
`model_args` are `pretrained`, the arguments of `reflectgen.load.load` and the options of `Reflector.solve`.

What a task's `generation_kwargs` say, and what becomes of it:
- `until`: the reply ends before the first of these strings.
- `max_gen_toks`: most tokens of the reply; of a model without thinking tags, whose whole text is its thinking, of that.
- `do_sample`, `temperature`, `top_p`, `top_k`: how tokens are drawn is said in `model_args` alone, since several thinkings
  drawn greedily are one and the same.

With `--apply_chat_template` the turns of the system, of examples and of the question go through the model's own chat template.
Tasks that compare likelihoods are refused, since what a search answers has no likelihood, and so is a chat whose reply a task
begins (`gen_prefix`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from tqdm import tqdm

from reflectgen.adapters.arguments import open_model, prepare, split
from reflectgen.errors import OptionError
from reflectgen.prompts import Turn
from reflectgen.reflector import Prepared, thinkings, unit
from reflectgen.types import Result

NO_LIKELIHOOD = (
    "The model reflectgen generates and searches, so tasks that compare likelihoods cannot be run on it: take the tasks' "
    "generative form, or the harness's model hf."
)
NO_PREFIX = (
    "The task begins the model's reply (gen_prefix), and a reflective model thinks before it replies: leave "
    "--apply_chat_template away."
)


class Chat(str):
    """A conversation as the text that the harness wants of it: its JSON."""

    @property
    def turns(self) -> list[Turn]:
        """The conversation."""
        found: list[Turn] = json.loads(self)
        return found


@register_model("reflectgen")
class ReflectiveLM(LM):
    """`--model reflectgen`. Raises what `reflectgen.load.load` raises, and `OptionError` for an unknown argument."""

    def __init__(
        self,
        pretrained: str = "tiny",
        *,
        instruction: str = "",
        batch_size: Any = None,
        max_batch_size: Any = None,
        **arguments: Any,
    ) -> None:
        """`instruction` is asked beside every prompt; the batch sizes are the engine's business and not used."""
        super().__init__()
        loading, self.options = split(arguments)
        self.reflector = open_model(pretrained, instruction, loading)

    @property
    def tokenizer_name(self) -> str:
        """What names the model in the harness's caches."""
        return self.reflector.identity.backbone

    def apply_chat_template(self, chat_history: Sequence[Turn], add_generation_prompt: bool = True) -> Chat:
        """The conversation. Raises `OptionError` where it ends with the beginning of a reply."""
        if not add_generation_prompt:
            raise OptionError(NO_PREFIX)
        return Chat(json.dumps(list(chat_history), ensure_ascii=False))

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """The chosen reply to each request, in their order; empty where none was chosen."""
        replies: dict[int, str] = {}
        searches = (self._prepare(str(index), *request.args[:2]) for index, request in enumerate(requests))
        results = self.reflector.carry_out_many(searches, concurrency=unit(thinkings(self.options)))
        for result in tqdm(results, desc="solving", total=len(requests), disable=disable_tqdm):
            index = int(result.problem.id)
            replies[index] = reply(result, _until(requests[index].args[1]))
            self.cache_hook.add_partial("generate_until", requests[index].args, replies[index])
        return [replies[index] for index in range(len(requests))]

    def loglikelihood(self, requests: Any) -> Any:
        """Raises `OptionError`."""
        raise OptionError(NO_LIKELIHOOD)

    def loglikelihood_rolling(self, requests: Any) -> Any:
        """Raises `OptionError`."""
        raise OptionError(NO_LIKELIHOOD)

    def _prepare(self, id: str, context: str, arguments: Mapping[str, Any]) -> Prepared:
        turns = context.turns if isinstance(context, Chat) else [{"role": "user", "content": context}]
        return prepare(self.reflector, turns, self.options, arguments.get("max_gen_toks"), id)


def reply(result: Result, until: Iterable[str] = ()) -> str:
    """The chosen trajectory's reply up to the first of `until`; empty where none was chosen."""
    text = "" if result.chosen is None else result.chosen.reply
    ends = [text.index(mark) for mark in until if mark in text]
    return text[: min(ends, default=len(text))]


def _until(arguments: Mapping[str, Any]) -> list[str]:
    given = arguments.get("until") or []
    return [mark for mark in ([given] if isinstance(given, str) else given) if mark]
