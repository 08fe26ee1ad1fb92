"""Monte Carlo labels: a step is as good as the share of continuations from it that end right.

Source: Wang et al., "Math-Shepherd: Verify and Reinforce LLMs Step-by-step without Human Annotations", arXiv 2312.08935:
from the end of each step, N completions are sampled and graded. Soft estimation: the label is the share of right answers;
hard estimation: 1 where any is right.

Deviations:
1. A continuation that ran into the token limit tells nothing, and is left out of the share. A step of which no continuation
   ended is left unlabelled.
2. Traces that did not end by themselves are not continued: losses leave them out.

All traces of one problem are continued together and apart from everything else, so that what a killed run does anew comes
out as it would have. Steps that traces have in common from the prompt on are continued once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reflectgen.background import Background
from reflectgen.config import Sampling
from reflectgen.errors import CapacityError
from reflectgen.rollouts import Rollout
from reflectgen.tasks import Task
from reflectgen.train.labels.base import UNLABELLED, Unit, is_left_out, unlabelled
from reflectgen.train.labels.problems import Problems
from reflectgen.types import Problem

if TYPE_CHECKING:
    from reflectgen.engine.base import Engine
    from reflectgen.engine.branch import Branch


Beginning = tuple[tuple[int, ...], tuple[int, ...]]
"""Token ids of a prompt, and of a completion up to the end of a step."""


@dataclass(frozen=True, slots=True)
class Continued:
    """What was written after one beginning."""

    replies: tuple[str, ...] = ()
    """Replies of those that ended by themselves."""
    tokens: int = 0
    """Tokens generated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonteCarlo:
    """Labels traces by continuing them. The engine works on an event loop of this object's own, and is closed at the end."""

    engine: Engine
    task: Task
    """Reads and grades the answers."""
    problems: Problems
    sampling: Sampling
    n: int = 8
    """Continuations of each step."""
    seed: int = 0
    hard: bool = False
    """Whether a label is 1 where any continuation is right, instead of the share of them."""

    def __call__(self, groups: Sequence[Sequence[Rollout]]) -> Iterator[Unit]:
        """A unit for each group of traces of one problem, in order. Raises what `Problems.of` raises."""
        background = Background()
        try:
            for rollouts in groups:
                yield self._label(rollouts, background)
        finally:
            background.run(self.engine.close())
            background.close()

    def _label(self, rollouts: Sequence[Rollout], background: Background) -> Unit:
        begun = {rollout.key: self._beginnings(rollout) for rollout in rollouts}
        distinct = list(dict.fromkeys(beginning for beginnings in begun.values() for beginning in beginnings))
        continued = dict(zip(distinct, background.run(self._follow_all(distinct)), strict=True))
        problem = self.problems.of(rollouts[0])
        shares = {beginning: self._share(problem, found.replies) for beginning, found in continued.items()}
        labels = {
            rollout.key: tuple(shares[beginning] for beginning in begun[rollout.key]) or unlabelled(rollout)
            for rollout in rollouts
        }
        return Unit(labels, sum(found.tokens for found in continued.values()))

    def _share(self, problem: Problem, replies: Sequence[str]) -> float:
        if not replies:
            return UNLABELLED
        right = sum(self.task.grade(self.task.extract(reply), problem) for reply in replies)
        return float(right > 0) if self.hard else right / len(replies)

    def _beginnings(self, rollout: Rollout) -> list[Beginning]:
        """Up to the end of each of its steps; none where its labels would be of no use."""
        if is_left_out(rollout):
            return []
        prompt = self.problems.prompt(rollout)
        thinking = self._thinking(prompt, rollout.token_ids)
        return [(prompt, rollout.token_ids[: min(step.token_span[1], thinking)]) for step in rollout.steps]

    def _thinking(self, prompt: Sequence[int], completion: Sequence[int]) -> int:
        """Tokens of the completion up to what ended its thinking: the closing tag, or an end of text."""
        grammar = self.engine.grammar
        stop = grammar.segmenter.span([*prompt, *completion], len(prompt)).stop - len(prompt)
        while stop and completion[stop - 1] in grammar.eos:
            stop -= 1
        return stop

    async def _follow_all(self, beginnings: Sequence[Beginning]) -> list[Continued]:
        return await asyncio.gather(*map(self._follow, beginnings))

    async def _follow(self, beginning: Beginning) -> Continued:
        """Let the engine go on from there; with what it writes the thinking may be as long as any."""
        prompt, prefix = beginning
        rest = max(1, self.sampling.max_tokens - len(prefix))
        try:
            branches = self.engine.branches(
                [*prompt, *prefix], self.n, self.sampling.model_copy(update={"max_tokens": rest}), self.seed
            )
        except CapacityError:  # the context is full
            return Continued()
        try:
            await asyncio.gather(*map(_write, branches))
        finally:
            for branch in branches:
                branch.cancel()
        begun = "" if self.engine.grammar.segmenter.tags else self.engine.grammar.table.decode(prefix)
        replies = tuple(begun + branch.reply for branch in branches if branch.finish == "stop" and branch.error is None)
        return Continued(replies, branches[0].tree.cost.tokens_generated)


async def _write(branch: Branch) -> None:
    """Think to the end, then answer."""
    async for _ in branch:
        pass
    await branch.answer()
