"""The service behind all routes: a model under a name, who may use it at once, and what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from reflectgen.config import ServeConfig
from reflectgen.errors import EngineGone
from reflectgen.prompts import Turn
from reflectgen.reflector import Reflector
from reflectgen.serve.admission import Admission
from reflectgen.serve.asking import Ask, Knobs, Wanted, ask
from reflectgen.serve.faults import Fault
from reflectgen.serve.logs import log
from reflectgen.serve.mailbox import Bell
from reflectgen.serve.metrics import Metrics

if TYPE_CHECKING:
    from reflectgen.serve.job import Job


SHORT = 10_000
"""Characters that are encoded within about a millisecond."""


class Service:
    """One model, served."""

    def __init__(self, model: Reflector, name: str, limits: ServeConfig, *, effort: str, log_texts: bool = False) -> None:
        """`name` is what clients call the model, `effort` what they get who do not say; `log_texts` puts questions and answers
        into the log.
        """
        self.model, self.name, self.limits, self.effort, self.log_texts = model, name, limits, effort, log_texts
        self.admission = Admission(limits)
        self.gone = False
        """Whether the engine answers no more."""
        self.metrics = Metrics()
        self._jobs: set[Job] = set()
        self.metrics.watch(
            live=lambda: self.admission.live,
            waiting=lambda: self.admission.waiting,
            branches=lambda: sum(job.branches for job in list(self._jobs)),
        )

    @cached_property
    def bell(self) -> Bell:
        """Wakes those who wait for news of their jobs; of the loop that first asks for it."""
        return Bell()

    def check_model(self, name: str) -> None:
        """Raise a `Fault` where it is not the one that is served."""
        if name != self.name:
            raise Fault("model_not_found", f"The model '{name}' does not exist: this service has '{self.name}'.", param="model")

    def check_texts(self, texts: Sequence[str], param: str) -> None:
        """Raise a `Fault` where there are too many, or they are too long."""
        for what, size, most in (
            ("texts", len(texts), self.limits.messages),
            ("characters", sum(map(len, texts)), self.limits.characters),
        ):
            if size > most:
                raise Fault("invalid_value", f"{param} has {size} {what}, and this service allows {most}.", param=param)

    async def encode_chat(self, turns: Sequence[Turn]) -> Sequence[int]:
        """Token ids of a conversation's prompt."""
        return await self._encode(lambda: self.model.chat(turns), sum(len(turn["content"]) for turn in turns))

    async def encode_text(self, text: str) -> Sequence[int]:
        """Token ids of a prompt that is taken as it stands."""
        return await self._encode(lambda: self.model.engine.grammar.table.tokenizer.encode(text), len(text))

    async def _encode(self, encode: Callable[[], Sequence[int]], characters: int) -> Sequence[int]:
        """What is long is encoded in a thread, so that the event loop goes on; what is short takes less time than that."""
        return encode() if characters <= SHORT else await asyncio.to_thread(encode)

    def ask(self, knobs: Knobs, wanted: Wanted) -> Ask:
        """The search that is asked for; see `reflectgen.serve.asking.ask`."""
        return ask(self.model, self.limits, knobs, wanted)

    @contextmanager
    def engine(self) -> Iterator[None]:
        """Where the engine turns out to be gone meanwhile, the log says why, and a `Fault` is raised, without addresses."""
        try:
            yield
        except EngineGone as error:
            self.gone = True
            log.error("The engine is gone.", extra={"fields": {"reason": str(error)}})
            raise Fault("engine_gone", "The engine behind this service answers no more: tell whoever runs it.") from None

    @contextmanager
    def shown(self, job: Job) -> Iterator[None]:
        """Count the branches of `job` meanwhile."""
        self._jobs.add(job)
        try:
            yield
        finally:
            self._jobs.discard(job)
