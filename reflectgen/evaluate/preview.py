"""What a run would ask and could cost, told before it: prompts, their lengths, and the most tokens that it can generate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reflectgen.engine.base import room
from reflectgen.engine.tree import limits
from reflectgen.evaluate.grid import Grid, runs
from reflectgen.evaluate.runner import Job, prompt_of
from reflectgen.reflector import Reflector
from reflectgen.rollouts import Store

BOUNDED = ("adaptive", "best_of_n", "deepconf", "esc", "mcts", "pruned")
"""Strategies that write at most k thinkings; others also write what they then give up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A problem as the model is given it."""

    id: str
    text: str
    """The whole prompt, special tokens included."""
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a run would ask and could cost."""

    task: str
    problems: int
    prompts: tuple[Prompt, ...]
    """The first ones."""
    prompt_tokens: int
    """Of all problems, each once."""
    longest_prompt: int
    most_tokens: int
    """Tokens that can be generated at most, over all seeds; without `unbounded`."""
    unbounded: tuple[str, ...]
    """Strategies without a budget that have no such bound."""

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def preview(model: Reflector, grid: Grid, store: Store | None = None, first: int = 2) -> Preview:
    """The preview of a run that begins with nothing but `store`; `model` only puts prompts.

    Raises what the run itself would raise for its options or a prompt that is too long.
    """
    job = Job(task=grid.task, problems=grid.problems, sampling=grid.sampling)
    encoded = [prompt_of(model, job, problem) for problem in grid.problems]
    cells = grid.cells(model)
    longest = [most_written(model, job, prompt) for prompt in encoded]
    replayed = max((cell.k for cell in cells if cell.replayed), default=0)
    most = len(grid.seeds) * replayed * sum(longest) if store is None else 0
    if grid.live:  # the thinking that warms it up
        most += most_written(model, Job(task=grid.task, problems=grid.problems), encoded[0])
    unbounded = []
    for cell, *_ in runs([cell for cell in cells if not cell.replayed]):
        if cell.budget is None and cell.contender.strategy not in BOUNDED:
            unbounded.append(str(cell.contender))
        else:
            most += sum(cell.k * tokens if cell.budget is None else min(cell.budget, cell.k * tokens) for tokens in longest)
    decode = model.engine.grammar.table.decode
    shown = zip(grid.problems[:first], encoded, strict=False)
    return Preview(
        task=grid.task.name,
        problems=len(encoded),
        prompts=tuple(Prompt(id=problem.id, text=decode(ids), tokens=len(ids)) for problem, ids in shown),
        prompt_tokens=sum(map(len, encoded)),
        longest_prompt=max(map(len, encoded)),
        most_tokens=most,
        unbounded=tuple(dict.fromkeys(unbounded)),
    )


def most_written(model: Reflector, job: Job, prompt: Sequence[int]) -> int:
    """Most tokens of one thinking, its closing tag and its reply."""
    grammar, sampling = model.engine.grammar, model.request(job.problems[0], **job.options).sampling
    tags = grammar.segmenter.tags
    return sum(limits(room(prompt, model.engine.context), sampling, grammar)) + (len(tags.close) if tags else 0)
