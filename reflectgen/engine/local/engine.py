"""The local engine: continuous batching in PyTorch for any transformers decoder, on CPU, CUDA and MPS.

Every step of the driver is: seat whom the budget allows, feed what is missing, decode one token for all live branches,
hand the tokens to the branches, and let the strategies react. Rows that finish leave at once and waiting ones enter at
the next token. The step scores come out of the same passes: the head reads the state that drew the step token.

What is counted. `tokens_generated`: tokens drawn and kept. `tokens_prefilled`: every other token fed, among them the
last prompt token once for each branch, since each draws its first token from a row of its own. `forward_passes` of a
tree: passes in which one of its branches took part; passes are shared, so trees' sums exceed the engine's own number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reflectgen.config import Sampling
from reflectgen.engine.base import room
from reflectgen.engine.branch import Branch, Pace
from reflectgen.engine.grading import grade_trace
from reflectgen.engine.grammar import Grammar
from reflectgen.engine.local.attention import NAME
from reflectgen.engine.local.cache import Slots
from reflectgen.engine.local.memory import default_budget
from reflectgen.engine.local.passes import Fill, Passes
from reflectgen.engine.local.plan import Plan, Planner
from reflectgen.engine.local.seats import Operation, Seating
from reflectgen.engine.sampling import Draw
from reflectgen.engine.tree import Tree
from reflectgen.errors import CapacityError, ModelError, OptionError
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.types import Step

MOST_ROWS = 256
"""Rows of a decoding pass, unless told otherwise."""


@dataclass(slots=True)
class Outcome:
    """What a plan computed."""

    graded: list[list[float]]
    draw: Draw
    features: Tensor | None


class LocalEngine:
    """Draws and grades on this machine. See `reflectgen.engine.base.Engine` for the contract."""

    notes: Sequence[str] = ()

    def __init__(self, model: ReflectiveModel, grammar: Grammar, *, kv_budget: int | None = None, max_rows: int = MOST_ROWS):
        """`model` must have been loaded with attention `reflectgen.engine.local.attention.NAME`.

        `kv_budget` is the bytes that keys and values may take, by default a share of the memory that is free;
        `max_rows` the most branches decoded together. Raises `ModelError` for an architecture whose layers keep other
        state than keys and values, `CapacityError` for a budget that holds no branch.
        """
        if max_rows < 1:
            raise OptionError(f"max_rows is {max_rows}: give at least 1.")
        self.model = model
        self.grammar = grammar
        config = model.backbone.config.get_text_config(decoder=True)  # type: ignore[union-attr, operator]
        if kv_budget is not None and kv_budget < 1:
            raise OptionError(f"The cache budget is {kv_budget} bytes: give a positive number.")
        self.slots = Slots(config.num_hidden_layers, kv_budget or default_budget(model.device), states=grammar.pools)
        self.passes = Passes(model, self.slots)
        self._probe()
        self.context = min(model.context, self.slots.most_columns)
        self.seating = Seating(self.slots, max_rows)
        self.planner = Planner(self.seating)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reflectgen-local")
        self._driver: asyncio.Task[None] | None = None
        self._scoring = asyncio.Lock()
        self._due = 0.0
        """When branches have had as much time of the computing thread as the last given trace took before."""

    # -- the contract --------------------------------------------------------------------------------------------

    @property
    def forward_passes(self) -> int:
        """Passes of the model so far, of whatever kind."""
        return self.planner.passes

    @property
    def pressure(self) -> float:
        """Share of the seats that the budget allows which are taken, in [0, 1]; one whose branch has ended is free."""
        return self.seating.taken / max(1, self.seating.limit)

    @property
    def occupancy(self) -> float:
        """Rows of all decoding passes so far as a share of those that seats allowed, in [0, 1]; 0 before the first."""
        return self.planner.rows / max(1, self.planner.places)

    @property
    def held(self) -> int:
        """Seats taken now."""
        return len(self.seating.seats)

    @property
    def waiting(self) -> int:
        """Branches that wait for a seat."""
        return sum(branch.state == "live" for branch in self.seating.waiting)

    def limit_rows(self, most: int) -> None:
        """Decode at most this many branches together from now on."""
        self.seating.most_rows = most

    def branches(self, prompt: Sequence[int], n: int, sampling: Sampling, seed: int, pace: Pace = "free") -> list[Branch]:
        """`n` live branches from `prompt`; see `Engine.branches`. Call it inside a running event loop."""
        tree = Tree(prompt, sampling, seed, pace, room(prompt, self.context), self.grammar, self)
        branches = tree.grow(n)
        for branch in branches:
            self.wake(branch)
        return branches

    async def score(
        self, prompt: Sequence[int], completion: Sequence[int], forced: Sequence[tuple[int, int]] = ()
    ) -> tuple[Step, ...]:
        """The graded steps of a given trace; see `Engine.score`.

        One trace is read at a time, and while branches are decoded they get as much of the machine as the traces do.
        """
        if len(prompt) + len(completion) > self.context:
            raise CapacityError(
                f"The trace has {len(prompt) + len(completion)} tokens, the engine's context {self.context}: shorten it."
            )
        trace = tuple(prompt), tuple(completion), tuple(forced)
        loop = asyncio.get_running_loop()
        async with self._scoring:
            if self._driver is not None and not self._driver.done():
                await asyncio.wait({self._driver}, timeout=max(0.0, self._due - loop.time()))
            began = loop.time()
            work = loop.run_in_executor(self._thread, grade_trace, self.model, self.grammar, *trace)
            try:
                return await asyncio.shield(work)
            finally:
                await asyncio.wait({work})  # who is cancelled meanwhile still has the thread
                self._due = loop.time() + (loop.time() - began)

    async def close(self) -> None:
        """Cancel what is live or waiting and free the cache; a branch that is grown or goes on after this fails."""
        for branch in [*self.seating.waiting, *(seat.branch for seat in self.seating.seats)]:
            branch.cancel()
        if self._driver is not None:
            await self._driver
        self._thread.shutdown()
        self.seating.clear()
        self.slots.resize(0, 0, 0)

    def wake(self, branch: Branch) -> None:
        """A branch has become live: it gets a seat in its turn."""
        self.seating.queue(branch)
        self._ensure_driver()

    def release(self, branch: Branch) -> None:
        """A branch has ended: its seat is free before the next token."""
        self._ensure_driver()

    # -- the driver ----------------------------------------------------------------------------------------------

    def _ensure_driver(self) -> None:
        if self._driver is None or self._driver.done():
            self._driver = asyncio.get_running_loop().create_task(self._drive())

    async def _drive(self) -> None:
        """Step until no branch is live. Whatever goes wrong in a step fails branches, so that nobody waits for ever."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                if (plan := self.planner.plan()) is None:
                    self.seating.rest()
                    return
                self._apply(plan, await loop.run_in_executor(self._thread, self._run, plan))
            except Exception as error:
                if not self._fail(f"{type(error).__name__}: {error}"):
                    raise
            await asyncio.sleep(0)

    @torch.inference_mode()
    def _run(self, plan: Plan) -> Outcome:
        """In the computing thread: all tensor work of one step."""
        graded = []
        for operations, fill, _ in plan.fills:
            _carry_out(operations)
            graded.append(self.passes.fill(fill))
        _carry_out(plan.operations)
        return Outcome(graded, *self.passes.decode(plan.decode))

    def _apply(self, plan: Plan, outcome: Outcome) -> None:
        """Hand grades and tokens to the branches that still want them."""
        kept = self._kept(plan)
        fresh = {plan.seats[row] for row in kept}
        for (_, _, seats), logits in zip(plan.fills, outcome.graded, strict=True):
            for seat, logit in zip(seats, logits, strict=True):
                if seat in fresh and seat.branch.awaiting is not None:
                    seat.branch.settle(logit)
        tokens, logprobs, confidences = (column.tolist() for column in outcome.draw)
        grades = self._grade(plan, kept, tokens, outcome.features)
        for row in kept:
            branch = plan.seats[row].branch
            if branch.awaiting == plan.decode.positions[row]:
                branch.settle(grades.pop(row, None))
            if branch.state == "live" and branch.awaiting is None:
                branch.append(tokens[row], logprobs[row], confidences[row], grades.get(row))
            else:
                plan.seats[row].refed = True

    def _kept(self, plan: Plan) -> list[int]:
        """Rows whose branches are as they were when the plan was made."""
        kept = []
        for row, (seat, epoch) in enumerate(zip(plan.seats, plan.epochs, strict=True)):
            seat.cached = int(plan.decode.positions[row]) + 1
            if seat.branch.state == "live" and seat.branch.epoch == epoch:
                kept.append(row)
            else:
                seat.refed = True
        return kept

    @torch.inference_mode()
    def _grade(self, plan: Plan, kept: Sequence[int], tokens: Sequence[int], features: Tensor | None) -> dict[int, float]:
        """The head's logit of each row that ended a step with this token, or awaited the state that was just computed."""
        if features is None:
            return {}
        windows = {}
        for row in kept:
            branch = plan.seats[row].branch
            if branch.awaiting == plan.decode.positions[row]:
                windows[row] = branch.window()
            elif branch.awaiting is None and branch.grades(tokens[row]):
                windows[row] = branch.window(tokens[row])
        if not windows:
            return {}
        rows = list(windows)
        return dict(zip(rows, self.passes.grade(features[rows], rows, list(windows.values())), strict=True))

    def _fail(self, error: str) -> list[Branch]:
        """A step failed: what was live in it becomes a record of it, and what the cache holds is no longer known.

        Returns the branches that failed; where none was seated, that is the first in the queue.
        """
        live = [seat.branch for seat in self.seating.seats if seat.branch.state == "live"]
        failed = live or [branch for branch in self.seating.waiting if branch.state == "live"][:1]
        self.seating.clear()
        for branch in failed:
            branch.fail(error)
        return failed

    @torch.inference_mode()
    def _probe(self) -> None:
        """One pass over one token: learn the cache's shapes, and that this architecture can be served from slots."""
        unsupported = self.passes.masks.unsupported
        implementation = self.model.backbone.config._attn_implementation  # type: ignore[union-attr]
        if not unsupported and implementation == NAME:
            one = np.zeros((1, 1), dtype=np.int64)
            self.passes.fill(Fill(low=0, tokens=one, positions=one, used=1))
        if unsupported or not all(layer.is_initialized for layer in self.slots.layers):
            kinds = ", ".join(unsupported) or f"attention '{implementation}'"
            raise ModelError(
                f"{type(self.model.backbone).__name__} uses {kinds}, which the local engine cannot serve: "
                "choose --engine naive or another model."
            )
        self.slots.measure()


def _carry_out(operations: Sequence[Operation]) -> None:
    for operation in operations:
        operation()
