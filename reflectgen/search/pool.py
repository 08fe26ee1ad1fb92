"""The branches of one search: what strategies do with them, under one token budget, and the trace of what was done.

A strategy decides; the pool carries out. It lets branches think, one step or to the end, lets them answer, forks and
cancels them, and notes every such event. With a budget no more tokens are ever generated than it has: before branches go on,
each is allowed an equal part of what is left, and of that a share is kept for the answers.

Strategies that decide between steps let all branches take one step and wait for the slowest (`step`). What they decide then
depends on tokens alone and not on when an engine got round to whom: live, replayed and at every batch size alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from reflectgen import select
from reflectgen.engine.base import Engine
from reflectgen.engine.branch import UNENDED, Branch, Pace
from reflectgen.search.base import Request
from reflectgen.types import Event, Happening, Result

ANSWERS = 8
"""One in this many tokens of a budget is kept for the answers, where a reply follows the thinking."""
DONE = ("finished", "failed", "cancelled")


def nothing() -> None:
    """Do nothing."""


class Pool:
    """See the module's docstring. As a context manager it cancels at its end whatever has not ended."""

    def __init__(self, engine: Engine, request: Request, n: int, pace: Pace = "free") -> None:
        """`n` branches from the prompt; raises what `Engine.branches` raises."""
        self.request = request
        self.tree = engine.branches(request.prompt, n, request.sampling, request.seed, pace)[0].tree
        self.trace: list[Event] = []
        for branch in self.branches:
            self._write(branch, "started")

    def __enter__(self) -> Self:
        try:
            for branch in self.branches:
                self.request.observe(branch)
        except BaseException:
            self._free()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._free()

    # -- who there is ----------------------------------------------------------------------------------------------

    @property
    def branches(self) -> list[Branch]:
        """All that ever were, in the order in which they came."""
        return self.tree.branches

    @property
    def thinking(self) -> list[Branch]:
        """Those whose thinking is not over."""
        return [branch for branch in self.branches if thinks(branch)]

    @property
    def closed(self) -> list[Branch]:
        """Those whose thinking is over and which have not answered."""
        return [branch for branch in self.branches if branch.state == "closed"]

    @property
    def candidates(self) -> list[Branch]:
        """Those that may still give the answer: neither cancelled nor failed."""
        return [branch for branch in self.branches if branch.state not in ("cancelled", "failed")]

    @property
    def left(self) -> int | None:
        """Tokens that the budget has left; None without one."""
        budget = self.request.budget
        return None if budget is None else budget - self.tree.ledger.tokens_generated

    @property
    def spent(self) -> bool:
        """Whether the budget has nothing left to think with."""
        left = self._for_thinking()
        return left is not None and left <= 0

    def values(self, branches: Sequence[Branch]) -> list[float]:
        """What each is worth so far: the selector's value, or where it gives all the same the score, else the log-prob."""
        name = self.request.select
        if select.parse(name).value is select.one:
            name = "sprm" if self.tree.grammar.has_head else "logprob"
        return select.values(name, branches, self.request.blend)

    def ranked(self, branches: Sequence[Branch]) -> list[Branch]:
        """The best first; of equals the one that came first."""
        values = self.values(branches)
        return [branches[index] for index in sorted(range(len(branches)), key=lambda index: (-values[index], index))]

    def behind(self, branches: Sequence[Branch], share: float, leaders: Sequence[Branch]) -> list[Branch]:
        """Those whose product of step scores is below `share` of the leaders' largest, weakest first; none without a head."""
        if not share or not self.tree.grammar.has_head:
            return []
        best = max(select.values("product", leaders), default=0.0)
        products = zip(select.values("product", branches), range(len(branches)), strict=True)
        return [branches[index] for product, index in sorted(products) if product < share * best]

    # -- what is done ----------------------------------------------------------------------------------------------

    def add(self, n: int) -> list[Branch]:
        """`n` more from the prompt; under a budget no more than it has tokens left to think with."""
        left = self._for_thinking()
        added = self.tree.add(n if left is None else max(0, min(n, left)))
        for branch in added:
            self.note(branch, "started")
        return added

    def fork(self, branch: Branch, n: int, at: int | None = None) -> list[Branch]:
        """`n` that share the steps of `branch`, or its first `at`."""
        forks = branch.fork(n, at)
        for fork in forks:
            self.note(fork, "forked")
        return forks

    def cancel(self, branches: Sequence[Branch], why: str) -> None:
        """Stop them at once."""
        for branch in branches:
            if branch.state in UNENDED:
                branch.cancel()
                branch.finish, branch.why = "cancelled", why  # also where its thinking was over: it was given up
                self.note(branch, "cancelled", why)

    def force(self, branch: Branch, text: str, why: str) -> None:
        """Append `text` to its thinking."""
        branch.force(text)
        self.note(branch, "forced", why)

    def distinct(self, branches: Sequence[Branch]) -> list[Branch]:
        """Of those that wrote the same the first one; the others are cancelled."""
        first: dict[tuple[int, ...], Branch] = {}
        for branch in branches:
            twin = first.setdefault(tuple(branch.ids), branch)
            if twin is not branch:
                self.cancel([branch], f"wrote what branch {twin.id} wrote")
        return list(first.values())

    async def step(self, branches: Sequence[Branch]) -> bool:
        """Let each take its next step; False where nothing was left in the budget for it."""
        going = [branch for branch in branches if thinks(branch)]
        if not going or not self._ration(going, self._for_thinking()):
            return False
        await asyncio.gather(*(self._step(branch) for branch in going))
        return True

    async def think(self, branches: Sequence[Branch], after_step: Callable[[], None] = nothing) -> None:
        """Let each think to its end, or the budget's; `after_step` is called whenever one of them has ended a step."""
        while going := self._ration([branch for branch in branches if thinks(branch)], self._for_thinking()):
            await asyncio.gather(*(self._to_end(branch, after_step) for branch in going))

    async def answer(self, branches: Sequence[Branch]) -> None:
        """Let each close its thinking and answer; under a budget one after the other, the best first, while it lasts."""
        waiting = [branch for branch in branches if branch.state not in DONE]
        if self.left is None or self.tree.grammar.segmenter.tags is None:
            await asyncio.gather(*(self._answer(branch) for branch in waiting))
            return
        for branch in self.ranked(waiting):
            branch.allow(self.left)
            await self._answer(branch)

    async def think_and_answer(self, branches: Sequence[Branch], after_step: Callable[[], None] = nothing) -> None:
        """Let each think and answer without waiting for the others; under a budget all think first."""
        if self.request.budget is None:
            await asyncio.gather(*(self._think_and_answer(branch, after_step) for branch in branches))
        else:
            await self.think(branches, after_step)
            await self.answer(branches)

    async def conclude(self, strategy: str, candidates: Sequence[Branch]) -> Result:
        """Let the candidates answer, or only the chosen one where so requested, and decide among them."""
        request = self.request
        if request.answer == "all":
            await self.answer(candidates)
        members = set(candidates)
        among = [index for index, branch in enumerate(self.branches) if branch in members]
        trajectories = request.freeze(self.branches)
        choice = request.choose(trajectories, among)
        if request.answer == "chosen" and choice.index is not None:
            await self.answer([self.branches[choice.index]])
            trajectories = request.freeze(self.branches)
            choice = replace(choice, answer=trajectories[choice.index].answer)
        return request.result(strategy, choice, trajectories, self.tree.cost, self.trace)

    def note(self, branch: Branch, what: Happening, why: str = "") -> None:
        """Write an event into the trace and show the branch to the observer."""
        self._write(branch, what, why)
        self.request.observe(branch)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _write(self, branch: Branch, what: Happening, why: str = "") -> None:
        tokens = self.tree.ledger.tokens_generated
        self.trace.append(Event(branch=branch.id, what=what, tokens=tokens, step=len(branch.steps), why=why))

    def _free(self) -> None:
        for branch in self.branches:
            branch.cancel()

    def _ration(self, branches: Sequence[Branch], left: int | None) -> list[Branch]:
        """Allow each an equal part of what is `left`; return those that got any. Where there is too little: the first."""
        if left is None or not branches:
            return list(branches)
        share, rest = divmod(max(0, left), len(branches))
        for index, branch in enumerate(branches):
            branch.allow(share + (index < rest))
        return list(branches) if share else list(branches[:rest])

    def _for_thinking(self) -> int | None:
        """Tokens left that are not kept for answers."""
        left, budget = self.left, self.request.budget
        if left is None or budget is None or self.tree.grammar.segmenter.tags is None:
            return left
        return left - budget // ANSWERS

    async def _step(self, branch: Branch) -> None:
        async for _ in branch:
            self.request.observe(branch)
            break
        self._note_end(branch)

    async def _to_end(self, branch: Branch, after_step: Callable[[], None]) -> None:
        async for _ in branch:
            self.request.observe(branch)
            after_step()
        self._note_end(branch)

    async def _think_and_answer(self, branch: Branch, after_step: Callable[[], None]) -> None:
        await self._to_end(branch, after_step)
        if branch.state not in DONE:
            await self._answer(branch)

    def _note_end(self, branch: Branch) -> None:
        if branch.state == "closed":
            self.note(branch, "closed", branch.finish or "")
        elif branch.state == "failed":
            self.note(branch, "failed", branch.error or "")

    async def _answer(self, branch: Branch) -> None:
        await branch.answer()
        if branch.state == "finished":
            self.note(branch, "answered")
        elif branch.state == "failed":
            self.note(branch, "failed", branch.error or "")


def thinks(branch: Branch) -> bool:
    """Whether its thinking is not over."""
    return not branch.answering and branch.state in ("live", "grading", "halted")
