"""The replicas that a model runs on: which one a branch goes to, and what happens when one dies.

A branch goes where it costs least: to the replica with the fewest live tokens, where tokens that must be computed anew count
as well. So a branch stays where its prefix is cached until another replica is idle enough to make up for the prefill.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakKeyDictionary

from reflectgen.engine.branch import Branch
from reflectgen.engine.vllm.replica import TRIES, Ask, Lost, Part, Replica
from reflectgen.errors import EngineGone, ModelError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A replica was lost to a branch, or to a given trace, which then went on elsewhere if it could."""

    replica: str
    branch: str
    """Its name; empty for a given trace."""
    tokens: int
    """Tokens of the branch that were kept: all that had come."""
    reason: str


class Fleet:
    """See the module's docstring."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self.replicas = tuple(replicas)
        self.live = {replica: 0 for replica in replicas}
        """Replica that answers -> tokens of the requests it is at work on."""
        self.context = min(replica.context for replica in replicas)
        self.failures: list[Failure] = []
        self._homes: WeakKeyDictionary[Branch, Replica] = WeakKeyDictionary()

    @property
    def pressure(self) -> float:
        """That of the replica which has most."""
        return max((replica.pressure for replica in self.live), default=0.0)

    @property
    def waiting(self) -> int:
        """Of all replicas."""
        return sum(replica.waiting for replica in self.live)

    def choose(self, length: int, home: Replica | None = None) -> Replica:
        """The replica for a text of `length` tokens that `home` has in its cache; raises `EngineGone` where all are."""
        if not self.live:
            reasons = dict.fromkeys(f"{failure.replica} ({failure.reason})" for failure in self.failures)
            raise EngineGone(f"No vLLM replica answers any more, lost were {', '.join(reasons)}: start them again.")
        return min(self.live, key=lambda replica: self.live[replica] + (0 if replica is home else length))

    async def draw(self, branch: Branch, ask: Ask) -> AsyncGenerator[Part]:
        """Let a replica go on with `branch`; ends early where the replica is lost, which is noted."""
        replica = self.choose(len(ask.ids), self._home(branch))
        self._homes[branch] = replica
        self.live[replica] += (tokens := len(ask.ids))
        try:
            async with aclosing(replica.draw(ask)) as parts:
                async for part in parts:
                    tokens += len(part.rows)
                    if replica in self.live:
                        self.live[replica] += len(part.rows)
                    yield part
        except Lost as lost:
            await self._note(replica, branch.id, len(branch.ids), lost)
        finally:
            if replica in self.live:
                self.live[replica] -= tokens

    async def on_one(self, length: int, work: Callable[[Replica], Awaitable[Result]]) -> Result:
        """Do `work`, over a text of `length` tokens, on one replica; where it is lost, all of it on another."""
        for _ in range(TRIES):
            replica = self.choose(length)
            self.live[replica] += length
            try:
                return await work(replica)
            except Lost as lost:
                await self._note(replica, "", 0, lost)
            finally:
                if replica in self.live:
                    self.live[replica] -= length
        raise ModelError(f"vLLM could not grade a trace in {TRIES} tries: look at its own log.")

    async def close(self) -> None:
        """Close all replicas, the dropped ones as well."""
        for replica in self.replicas:
            await replica.close()

    async def _note(self, replica: Replica, branch: str, tokens: int, lost: Lost) -> None:
        """Write a failure down, and drop the replica unless it still answers."""
        self.failures.append(Failure(replica=replica.name, branch=branch, tokens=tokens, reason=str(lost)))
        if replica in self.live and not await replica.alive():
            self.live.pop(replica, None)

    def _home(self, branch: Branch) -> Replica | None:
        """Where the branch, or what it was forked from, was last."""
        line: Branch | None = branch
        while line is not None and line not in self._homes:
            line = line.parent
        return None if line is None else self._homes[line]
