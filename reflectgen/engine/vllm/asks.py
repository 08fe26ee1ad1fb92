"""What a branch asks of a replica and how it takes what comes: for a head that reads one state, and for one that reads steps.

`OneState`: one request goes on for as long as the branch draws. Where a branch awaits the grade of a state, a request whose
prompt ends at that state reads it: what predicts the first token is what is graded.

`WholeSteps`: a request is one step. Its prompt ends at the step's first state, and what is written of the step already is
replayed, drawn again one by one, since states are nowhere kept. Behind a step a branch goes on without a replay; it has one
where it was halted or forced in mid-step, where its replica died, and where a grade is awaited: at offset 0 that is every
step.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Protocol

from reflectgen.engine.branch import Branch
from reflectgen.engine.grammar import Grammar
from reflectgen.engine.vllm.channel import Row
from reflectgen.engine.vllm.fleet import Fleet
from reflectgen.engine.vllm.replica import Ask, Lost, Replica


class Asks(Protocol):
    """How the head of a model is asked."""

    def ask(self, branch: Branch) -> Ask:
        """What a live `branch` needs next: tokens after all that it has written, or the grade of what it awaits."""

    async def take(self, branch: Branch, ask: Ask, place: int, row: Row) -> bool:
        """Hand a row of the answer to `branch`; False where it wants no further one of this request.

        `place` is the index in prompt + ids of the state that predicts the row's token.
        """

    def given(self, ids: Sequence[int], window: tuple[int, int]) -> Ask:
        """What reads the states `window` of a given text: the first row that is not replayed has their logit."""


def asks_of(grammar: Grammar, fleet: Fleet) -> Asks:
    """How the head of this grammar is asked."""
    return WholeSteps(grammar, fleet) if grammar.pools else OneState(grammar)


class OneState:
    """See the module's docstring."""

    def __init__(self, grammar: Grammar) -> None:
        self._stops = Stops(grammar)

    def ask(self, branch: Branch) -> Ask:
        """See `Asks.ask`."""
        length = branch.length if branch.awaiting is None else branch.awaiting + 1
        most = max(1, branch.drawable) if length == branch.length else 1
        return Ask(ids=branch.ids_between(0, length), most=most, sampling=branch.tree.sampling, stop=self._stops.of(branch))

    async def take(self, branch: Branch, ask: Ask, place: int, row: Row) -> bool:
        """See `Asks.take`: a request that reads the newest state goes on behind it."""
        if branch.awaiting is not None:
            if branch.awaiting != place:
                return False
            branch.settle(row.logit)
            if place != branch.length - 1 or branch.state != "live" or branch.awaiting is not None:
                return False
        branch.append(row.token, row.logprob, row.confidence, row.logit if branch.grades(row.token) else None)
        return branch.state == "live"

    def given(self, ids: Sequence[int], window: tuple[int, int]) -> Ask:
        """See `Asks.given`."""
        return Ask(ids=list(ids[: window[1]]), most=1)


class WholeSteps:
    """See the module's docstring."""

    def __init__(self, grammar: Grammar, fleet: Fleet) -> None:
        self._stops = Stops(grammar)
        self._drawn_graded = grammar.offset != 0
        self._fleet = fleet

    def ask(self, branch: Branch) -> Ask:
        """See `Asks.ask`."""
        if branch.awaiting is not None:
            return self.given(branch.ids_between(0, branch.awaiting + 1), branch.window())
        most, sampling, stop = max(1, branch.drawable), branch.tree.sampling, self._stops.of_step(branch)
        if branch.answering or not self._drawn_graded:
            return Ask(ids=branch.ids_between(0, branch.length), most=most, sampling=sampling, stop=stop)
        begin = branch.reading + 1
        replay = branch.ids_between(begin, branch.length)
        stop = () if replay else stop  # what is replayed may hold any token
        return Ask(ids=branch.ids_between(0, begin), most=most, sampling=sampling, stop=stop, replay=replay)

    async def take(self, branch: Branch, ask: Ask, place: int, row: Row) -> bool:
        """See `Asks.take`: a request ends with the step."""
        begin = len(ask.ids) - 1
        if branch.awaiting is not None:
            if branch.window() == (begin, place + 1):
                branch.settle(row.logit)
            return False
        logit = None
        if branch.grades(row.token):
            window, epoch = branch.window(row.token), branch.epoch
            logit = row.logit if window[0] == begin else await self._read_apart(branch, window)
            if branch.state != "live" or branch.epoch != epoch:
                return False
        branch.append(row.token, row.logprob, row.confidence, logit)
        if branch.state != "live" or branch.awaiting is not None:
            return False
        return ask.replay is None or branch.reading == begin

    def given(self, ids: Sequence[int], window: tuple[int, int]) -> Ask:
        """See `Asks.given`."""
        begin = window[0] + 1
        return Ask(ids=list(ids[:begin]), most=1, replay=list(ids[begin : window[1]]))

    async def _read_apart(self, branch: Branch, window: tuple[int, int]) -> float | None:
        """The logit where the token at hand begins the step that it ends: the rows before it are not of that step."""
        ask = self.given(branch.ids_between(0, window[1]), window)
        logit, fed = await self._fleet.on_one(window[1], lambda replica: read(replica, ask))
        branch.tree.ledger.tokens_prefilled += fed
        return logit


async def read(replica: Replica, ask: Ask) -> tuple[float | None, int]:
    """The logit of the first row that is not replayed, and how many tokens were fed for it."""
    left = fed = ask.replayed
    async with aclosing(replica.draw(ask)) as parts:
        async for part in parts:
            fed += part.prefilled
            if left < len(part.rows):
                return part.rows[left].logit, fed
            left -= len(part.rows)
    raise Lost("a request ended without a token")


class Stops:
    """Tokens after which a branch draws no more, or may not: then it asks again."""

    def __init__(self, grammar: Grammar) -> None:
        tags = grammar.segmenter.tags
        self._ends = sorted(grammar.eos)
        self._closes = sorted(grammar.eos | (tags.close.last if tags and len(tags.close) == 1 else frozenset()))
        self._step_ends = sorted({*self._closes, *grammar.segmenter.tokens})
        self._watched = sorted(grammar.watched)

    def of(self, branch: Branch) -> Sequence[int]:
        """Those of `branch` as it is now."""
        if branch.answering:
            return self._ends
        return self._watched if branch.tree.pace == "step" else self._closes

    def of_step(self, branch: Branch) -> Sequence[int]:
        """Those that end a step of `branch`, and no more: behind a token that only may end one it would begin anew."""
        return self._ends if branch.answering else self._step_ends
