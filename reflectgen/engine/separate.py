"""Wraps any engine: steps are graded by a separate process reward model, the two-model baseline.

The wrapped engine draws and grades nothing. A second reflective model, of the same vocabulary, reads each trace for itself
and grades every step when it ends; until then its branch is `grading` and draws nothing. The step rule, the offset and all
else of the reading are those of the second model's head.

What it costs is counted. `tokens_scored`: tokens that the reward model was fed. Its passes count as `forward_passes`. It
reads the tokens of a tree once, as far as its caches go: a branch has one of its own, which begins as a copy of the one
that shares most with it. Of all branches the `CACHES` that were graded last keep theirs. It reads one branch at a time.

Shapes: N steps, D the reward model's width.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from functools import partial
from itertools import takewhile
from typing import TypeVar

import torch
from torch import Tensor
from transformers import DynamicCache

from reflectgen.config import Sampling
from reflectgen.engine.base import Engine
from reflectgen.engine.branch import UNENDED, Branch, Pace
from reflectgen.engine.grading import window_means
from reflectgen.engine.record import read_windows
from reflectgen.errors import ModelError
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.scoring import sigmoid
from reflectgen.steps import TokenTable
from reflectgen.types import Step

Result = TypeVar("Result")

CACHES = 64
"""Branches of which the reward model keeps what it has read."""


class Reading:
    """What the reward model has read of one text: the tokens, and its cache of them."""

    def __init__(self, model: ReflectiveModel) -> None:
        self.model = model
        self.ids: list[int] = []
        self.cache = DynamicCache()
        self.fed = 0
        """Tokens fed by the last `grade`."""

    def shared(self, ids: Sequence[int]) -> int:
        """Leading tokens of `ids` that were read already."""
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self.ids, ids, strict=False)))

    @torch.inference_mode()
    def grade(self, ids: Sequence[int], windows: Sequence[tuple[int, int]]) -> list[float]:
        """Read on to the end of `ids`; return the head's logits on the states' means over N ranges of positions."""
        first = min(low for low, _ in windows)
        kept = min(self.shared(ids), first)
        if kept < len(self.ids):
            self.cache.crop(kept - len(self.ids))
        tokens = torch.tensor([ids[kept:]], device=self.model.device)
        features = self.model.body(tokens, past_key_values=self.cache).features
        assert features is not None
        self.ids, self.fed = list(ids), len(ids) - kept
        return self._logits(features[0], [(low - kept, high - kept) for low, high in windows])

    def _logits(self, features: Tensor, windows: Sequence[tuple[int, int]]) -> list[float]:
        logits: list[float] = self.model.grade(window_means(features, windows)).tolist()
        return logits


class SeparateEngine:
    """An engine whose steps another model grades. See `reflectgen.engine.base.Engine` for the contract."""

    def __init__(self, engine: Engine, model: ReflectiveModel, table: TokenTable) -> None:
        """Let `model` grade what `engine` draws, whose grammar must be `separate` and read as the model's head does.

        `table` is the vocabulary of `model`. The wrapped engine's context shrinks to what both can read. Raises
        `ModelError` for a model without a head or of another vocabulary.
        """
        assert engine.grammar.separate, "an engine that is wrapped grades nothing itself"
        if model.head is None:
            raise ModelError("The reward model has no SPRM head to grade steps with: give one that was trained to grade.")
        if table.texts != engine.grammar.table.texts:
            raise ModelError("The reward model has another vocabulary than the model that writes: it cannot read its tokens.")
        self.engine = engine
        self.model = model.eval()
        self.grammar = engine.grammar
        self.context = engine.context = min(engine.context, model.context)
        self._asked: dict[Branch, None] = {}
        self._readings: OrderedDict[Branch, Reading] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reflectgen-separate")
        self._driver: asyncio.Task[None] | None = None

    @property
    def pressure(self) -> float:
        """That of the wrapped engine."""
        return self.engine.pressure

    @property
    def waiting(self) -> int:
        """Of the wrapped engine's."""
        return self.engine.waiting

    @property
    def notes(self) -> Sequence[str]:
        """Of the wrapped engine."""
        return self.engine.notes

    @property
    def grading(self) -> int:
        """Branches that wait for a grade."""
        return len(self._asked)

    def branches(self, prompt: Sequence[int], n: int, sampling: Sampling, seed: int, pace: Pace = "free") -> list[Branch]:
        """`n` live branches of the wrapped engine, whose steps are graded here; see `Engine.branches`."""
        branches = self.engine.branches(prompt, n, sampling, seed, pace)
        for branch in branches[:1]:
            branch.tree.grader = self._ask
        return branches

    async def score(
        self, prompt: Sequence[int], completion: Sequence[int], forced: Sequence[tuple[int, int]] = ()
    ) -> tuple[Step, ...]:
        """The graded steps of a given trace, from one pass of each model over it; see `Engine.score`."""
        steps = await self.engine.score(prompt, completion, forced)
        windows = read_windows(self.grammar, prompt, completion, forced)
        if not windows:
            return steps
        ids = [*prompt, *completion][: max(high for _, high in windows)]
        logits = await self._in_thread(partial(Reading(self.model).grade, ids, windows))
        return tuple(replace(step, logit=logit, score=sigmoid(logit)) for step, logit in zip(steps, logits, strict=True))

    async def close(self) -> None:
        """Cancel what is live or waits for a grade, and free the memory."""
        for branch in list(self._asked):
            branch.cancel()
        await self.engine.close()
        if self._driver is not None:
            await self._driver
        self._thread.shutdown()
        self._readings.clear()

    def _ask(self, branch: Branch) -> None:
        """A step of `branch` is to be graded."""
        self._asked[branch] = None
        if self._driver is None or self._driver.done():
            self._driver = asyncio.get_running_loop().create_task(self._drive())

    async def _drive(self) -> None:
        """Grade in the order of asking until nobody waits."""
        while self._asked:
            branch = next(iter(self._asked))
            if branch.state == "grading":
                await self._grade(branch)
            if branch.state != "grading":
                del self._asked[branch]

    async def _grade(self, branch: Branch) -> None:
        """Give `branch` its grade, unless it has changed meanwhile. An error fails this branch and no other."""
        epoch, window = branch.epoch, branch.window()
        try:
            logit, fed = await self._in_thread(partial(self._read, branch, branch.ids_between(0, window[1]), window))
        except Exception as error:
            branch.fail(f"{type(error).__name__}: {error}")
            return
        ledger = branch.tree.ledger
        ledger.tokens_scored += fed
        if ledger.forward_passes is not None:
            ledger.forward_passes += 1
        if branch.state == "grading" and branch.epoch == epoch:
            branch.settle(logit)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _read(self, branch: Branch, ids: Sequence[int], window: tuple[int, int]) -> tuple[float, int]:
        """In the reading thread: the logit of one step, and the tokens that were fed for it."""
        reading = self._reading(branch, ids)
        [logit] = reading.grade(ids, [window])
        return logit, reading.fed

    def _reading(self, branch: Branch, ids: Sequence[int]) -> Reading:
        """What was read of `branch`, or of the branch of its tree that shares most with it."""
        for other in [other for other in self._readings if other.state not in UNENDED]:
            del self._readings[other]
        if branch not in self._readings:
            kin = [reading for other, reading in self._readings.items() if other.tree is branch.tree]
            closest = max(kin, key=lambda reading: reading.shared(ids), default=None)
            self._readings[branch] = Reading(self.model) if closest is None else _copy(closest)
        self._readings.move_to_end(branch)
        while len(self._readings) > CACHES:
            self._readings.popitem(last=False)
        return self._readings[branch]


def _copy(reading: Reading) -> Reading:
    copy = Reading(reading.model)
    copy.ids, copy.cache = list(reading.ids), deepcopy(reading.cache)
    return copy
