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
from reflectgen.engine.local.passes import Decode, Fill, Passes
from reflectgen.engine.local.seats import Operation, Seat, Seating
from reflectgen.engine.sampling import Draw, Knobs
from reflectgen.engine.tree import Tree
from reflectgen.errors import CapacityError, ModelError, OptionError
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.types import Step

MOST_ROWS = 256
"""Rows of a decoding pass, unless told otherwise."""
FILL_TOKENS = 1024
"""Tokens of a filling pass, rows times columns: enough to be efficient, little enough to keep activations small."""


@dataclass(slots=True)
class Plan:
    """One step of the driver."""

    fills: list[tuple[list[Operation], Fill, list[Seat]]]
    """Filling passes in order, each after its tensor operations, with the seats of `Fill.graded`."""
    operations: list[Operation]
    """Tensor operations before decoding."""
    decode: Decode
    seats: list[Seat]
    """The seats of the decoded rows."""
    epochs: list[int]
    """Their branches' epochs when this was planned."""


@dataclass(slots=True)
class Outcome:
    """What a plan computed."""

    graded: list[list[float]]
    draw: Draw
    features: Tensor | None


class LocalEngine:
    """Draws and grades on this machine. See `reflectgen.engine.base.Engine` for the contract."""

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
        self.slots = Slots(config.num_hidden_layers, kv_budget or default_budget(model.device))
        self.passes = Passes(model, self.slots)
        self._probe()
        self.context = min(model.context, self.slots.most_columns)
        self.seating = Seating(self.slots, max_rows)
        self.forward_passes = 0
        self.rows_decoded = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reflectgen-local")
        self._driver: asyncio.Task[None] | None = None
        self._knobs: tuple[list[Seat], Knobs] | None = None

    # -- the contract --------------------------------------------------------------------------------------------

    @property
    def pressure(self) -> float:
        """Share of the seats that the budget allows which are taken, in [0, 1]."""
        return len(self.seating.seats) / max(1, self.seating.limit)

    @property
    def held(self) -> int:
        """Seats taken now."""
        return len(self.seating.seats)

    @property
    def waiting(self) -> int:
        """Branches that wait for a seat."""
        return len(self.seating.waiting)

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
        """The graded steps of a given trace; see `Engine.score`."""
        if len(prompt) + len(completion) > self.context:
            raise CapacityError(
                f"The trace has {len(prompt) + len(completion)} tokens, the engine's context {self.context}: shorten it."
            )
        trace = tuple(prompt), tuple(completion), tuple(forced)
        return await asyncio.get_running_loop().run_in_executor(self._thread, grade_trace, self.model, self.grammar, *trace)

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
                if (plan := self._plan()) is None:
                    return
                self._apply(plan, await loop.run_in_executor(self._thread, self._run, plan))
            except Exception as error:
                if not self._fail(f"{type(error).__name__}: {error}"):
                    raise
            await asyncio.sleep(0)

    def _plan(self) -> Plan | None:
        """The next step; None where nothing is live."""
        live = self.seating.arrange()
        if not live:
            return None
        first, followers = self.seating.fill_order(live)
        fills = self._plan_fills(first)
        if followers:
            fills += self._plan_fills(self.seating.follow(followers, first))
        live = self.seating.seats[: len(live)]
        decode = self._plan_decode(live)
        return Plan(fills, self.seating.take_operations(), decode, live, [seat.branch.epoch for seat in live])

    def _plan_fills(self, seats: Sequence[Seat]) -> list[tuple[list[Operation], Fill, list[Seat]]]:
        """Filling passes for seats in contiguous slots; their tokens count as cached from here on."""
        fills = []
        rest = list(seats)
        while rest:
            longest = min(max(seat.missing for seat in rest), FILL_TOKENS)
            group = rest[: max(1, FILL_TOKENS // longest)]
            rest = rest[len(group) :]
            while (width := min(max(seat.missing for seat in group), FILL_TOKENS)) > 0:
                fills.append(self._plan_fill(group, width))
        return fills

    def _plan_fill(self, group: Sequence[Seat], width: int) -> tuple[list[Operation], Fill, list[Seat]]:
        tokens = np.zeros((len(group), width), dtype=np.int64)
        positions = np.empty((len(group), width), dtype=np.int64)
        graded, seats = [], []
        for row, seat in enumerate(group):
            start, length = seat.cached, seat.branch.length
            count = min(seat.missing, width)
            tokens[row, :count] = seat.branch.tokens(start, start + count)
            positions[row, :count] = np.arange(start, start + count)
            positions[row, count:] = length - 1
            if seat.branch.awaiting is not None and start <= seat.branch.awaiting < start + count:
                graded.append((row, seat.branch.awaiting - start))
                seats.append(seat)
            seat.cached += count
            self._count_fed(seat, count)
        self._count_pass(group)
        used = int(positions.max()) + 1
        fill = Fill(low=group[0].slot, tokens=tokens, positions=positions, used=used, graded=tuple(graded))
        return self.seating.take_operations(), fill, seats

    def _plan_decode(self, live: list[Seat]) -> Decode:
        for seat in live:
            if seat.refed:
                self._count_fed(seat, 1)
                seat.refed = False
        self._count_pass(live)
        self.rows_decoded += len(live)
        branches = [seat.branch for seat in live]
        if self._knobs is None or self._knobs[0] != live:
            self._knobs = live, Knobs.of([branch.tree.sampling for branch in branches])
        return Decode(
            tokens=np.array([branch.ids[-1] if branch.ids else branch.tree.prompt[-1] for branch in branches], dtype=np.int64),
            positions=np.array([branch.length - 1 for branch in branches], dtype=np.int64),
            keys=np.array([branch.key for branch in branches], dtype=np.uint64),
            draws=np.array([len(branch.ids) for branch in branches], dtype=np.uint64),
            knobs=self._knobs[1],
        )

    def _count_fed(self, seat: Seat, tokens: int) -> None:
        seat.branch.tree.ledger.tokens_prefilled += tokens

    def _count_pass(self, seats: Sequence[Seat]) -> None:
        self.forward_passes += 1
        for tree in {seat.branch.tree for seat in seats}:
            assert tree.ledger.forward_passes is not None
            tree.ledger.forward_passes += 1

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
            if not _hand(plan.seats[row].branch, tokens[row], logprobs[row], confidences[row], grades.get(row)):
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
        branches = [seat.branch for seat in plan.seats]
        rows = [row for row in kept if branches[row].awaiting is not None or branches[row].grades(tokens[row])]
        return dict(zip(rows, self.passes.grade(features[rows]), strict=True)) if rows else {}

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


def _hand(branch: Branch, token: int, logprob: float, confidence: float, logit: float | None) -> bool:
    """Give a branch what was computed for it; whether it took the token, which one that halts on a late grade does not."""
    if branch.awaiting is not None:
        branch.settle(logit)
        logit = None
    if branch.state != "live":
        return False
    branch.append(token, logprob, confidence, logit)
    return True
