"""One search that is being run for a client: its events as they come, and what it came to."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from reflectgen.engine.branch import UNENDED, Branch
from reflectgen.engine.tree import Tree
from reflectgen.serve.asking import Ask
from reflectgen.serve.chosen import Choice, Usage, choose, usage
from reflectgen.serve.events import Event, Recorder
from reflectgen.serve.faults import anonymous
from reflectgen.serve.mailbox import Mailbox
from reflectgen.types import Result

if TYPE_CHECKING:
    from reflectgen.serve.service import Service


class Job:
    """Begins at once; whoever made it must `cancel` it at last, which does nothing to one that is over.

    `result`, `choices` and `usage` are known once it was waited for.
    """

    result: Result
    choices: list[Choice]
    usage: Usage

    def __init__(self, service: Service, ask: Ask) -> None:
        """Raises a `Fault` where the service has no place for it."""
        self.ask = ask
        self.about: dict[str, Any] = {"effort": ask.effort, "strategy": ask.prepared.strategy, "k": ask.prepared.request.k}
        """What the log says of it."""
        if service.log_texts:
            self.about["question"] = ask.prepared.request.problem.text
        self._service = service
        self._arrived = time.perf_counter()
        self._stepped = False
        self._tree: Tree | None = None
        self._mailbox: Mailbox[Event | str] = Mailbox(service.bell)
        self._written = 0
        """Steps of a single thinking whose text was told."""
        self._recorder: Recorder | None = None
        if ask.steps:
            self._recorder = Recorder(ask.id, ask.prepared, model=service.name, effort=ask.effort)
            self._mailbox.put([self._recorder.start()])
        place = service.admission.enter()
        self._task = asyncio.create_task(place.run(self._search))
        self._task.add_done_callback(lambda _: place.leave())
        self._task.add_done_callback(lambda _: self._mailbox.wake())

    @property
    def branches(self) -> int:
        """Branches that are not over."""
        return 0 if self._tree is None else sum(branch.state in UNENDED for branch in list(self._tree.branches))

    @property
    def over(self) -> bool:
        """Whether there will be no news."""
        return self._task.done() and not self._mailbox.full

    @property
    def summary(self) -> dict[str, Any]:
        """What led to the answers, for who asks more than a completion can say."""
        request, result = self.ask.prepared.request, self.result
        return {
            "strategy": result.strategy,
            "select": result.select,
            "k": request.k,
            "seed": request.seed,
            "answer": result.answer,
            "share": result.choice.share,
            "scores": [choice.trajectory.score for choice in self.choices],
            "cost": asdict(result.cost),
            "notes": list(map(anonymous, result.notes)),
        }

    async def news(self) -> list[Event | str]:
        """The events since the last call, and what a single thinking went on with; nothing after a silence, or at the end.

        The first step is told at once; what follows it comes together, as it would be read.
        """
        await self._mailbox.wait(self._service.limits.keep_alive)
        return self._mailbox.take()

    async def wait(self) -> None:
        """Wait for the end; raises a `Fault` where there is no result."""
        try:
            await self._task
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Give it up."""
        self._task.cancel()

    async def _search(self) -> None:
        service, prepared = self._service, self.ask.prepared
        observed = replace(prepared, request=replace(prepared.request, observe=self._observe))
        try:
            with service.shown(self), service.engine():
                self.result = result = await service.model.acarry_out(observed)
            self.choices = choose(result, self.ask.n, self.ask.stop, service.model.engine.grammar, raw=self.ask.raw)
        except BaseException:
            if self._tree is not None:
                self.about |= {"tokens": self._tree.cost.tokens_generated}
                service.metrics.abandoned(self._tree)
            raise
        self.usage = usage(result, self.choices, len(prepared.request.prompt))
        self.about |= {"tokens": result.cost.tokens_generated, "prompt_tokens": self.usage.prompt}
        if service.log_texts:
            self.about |= {"answers": [choice.content for choice in self.choices]}
        service.metrics.searched(result, self.ask.effort, time.perf_counter() - self._arrived)
        if self._recorder:
            self._mailbox.put(self._recorder.finish(result, self.choices[0].trajectory if self.choices else None))

    def _observe(self, branch: Branch) -> None:
        """On the engine's thread."""
        self._tree = branch.tree
        first = bool(branch.steps) and not self._stepped
        if first:
            self._stepped = True
            self._service.metrics.stepped(time.perf_counter() - self._arrived)
        if self.ask.single and branch.finish is None:
            self._mailbox.put([step.text for step in branch.steps[self._written :]], urgent=first)
            self._written = len(branch.steps)
        if self._recorder:
            self._mailbox.put(self._recorder.observe(branch), urgent=first)
