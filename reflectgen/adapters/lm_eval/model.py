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

Tasks that compare likelihoods are refused: what a search answers has no likelihood.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from tqdm import tqdm

from reflectgen.adapters.arguments import open_model, split
from reflectgen.errors import OptionError
from reflectgen.reflector import Options
from reflectgen.types import Problem, Result

NO_LIKELIHOOD = (
    "The model reflectgen generates and searches, so tasks that compare likelihoods cannot be run on it: take the tasks' "
    "generative form, or the harness's model hf."
)


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

    def apply_chat_template(self, chat_history: Sequence[Mapping[str, str]], add_generation_prompt: bool = True) -> str:
        """The messages as one text: the model puts its own chat template around it."""
        return "\n\n".join(message["content"] for message in chat_history)

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """The chosen reply to each request, in their order; empty where none was chosen."""
        replies: dict[int, str] = {}
        with tqdm(total=len(requests), desc="solving", disable=disable_tqdm) as bar:
            for tokens, group in _by_length(requests).items():
                for result in self.reflector.solve_many(
                    [Problem(text=requests[index].args[0], id=str(index)) for index in group], **self._options(tokens)
                ):
                    index = int(result.problem.id)
                    replies[index] = reply(result, _until(requests[index].args[1]))
                    self.cache_hook.add_partial("generate_until", requests[index].args, replies[index])
                    bar.update()
        return [replies[index] for index in range(len(requests))]

    def loglikelihood(self, requests: Any) -> Any:
        """Raises `OptionError`."""
        raise OptionError(NO_LIKELIHOOD)

    def loglikelihood_rolling(self, requests: Any) -> Any:
        """Raises `OptionError`."""
        raise OptionError(NO_LIKELIHOOD)

    def _options(self, tokens: int | None) -> Options:
        """The options with the reply's length as a task asks for it."""
        if tokens is None:
            return self.options
        tags = self.reflector.engine.grammar.segmenter.tags
        return {**self.options, "max_tokens" if tags is None else "answer_tokens": tokens}  # type: ignore[misc]


def reply(result: Result, until: Iterable[str] = ()) -> str:
    """The chosen trajectory's reply up to the first of `until`; empty where none was chosen."""
    text = "" if result.chosen is None else result.chosen.reply
    ends = [text.index(mark) for mark in until if mark in text]
    return text[: min(ends, default=len(text))]


def _until(arguments: Mapping[str, Any]) -> list[str]:
    given = arguments.get("until") or []
    return [mark for mark in ([given] if isinstance(given, str) else given) if mark]


def _by_length(requests: Sequence[Any]) -> dict[int | None, list[int]]:
    """`max_gen_toks` -> indices of the requests that ask for it."""
    groups: dict[int | None, list[int]] = defaultdict(list)
    for index, request in enumerate(requests):
        groups[request.args[1].get("max_gen_toks")].append(index)
    return groups
