"""A replica that computes with a plain forward of a tiny model: what vLLM does, without vLLM, and with faults on demand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence

import torch
from torch import Tensor

from reflectgen.engine.grading import measure
from reflectgen.engine.vllm.channel import Row
from reflectgen.engine.vllm.replica import Ask, Lost, Measured, Part
from reflectgen.model.reflective import ReflectiveModel


class TorchReplica:
    """Draws `together` tokens a part; `dies_after` that many tokens, over all requests, it is dead."""

    pressure = 0.0
    waiting = 0

    def __init__(
        self, model: ReflectiveModel, context: int, *, name: str = "replica", together: int = 3, dies_after: int | None = None
    ) -> None:
        self.model = model
        self.context = context
        self.name = name
        self.together = together
        self.left = dies_after
        self.rng = random.Random(name)
        self.asked: list[Ask] = []
        self.open = 0
        self.closed = False

    async def draw(self, ask: Ask) -> AsyncGenerator[Part]:
        self.asked.append(ask)
        self.open += 1
        try:
            ids, rows, fed = list(ask.ids), [], len(ask.ids)
            most = ask.most + ask.replayed
            for index in range(most):
                await asyncio.sleep(0)
                self._live()
                rows.append(self._row(ids, ask))
                ids.append(rows[-1].token)
                done = index + 1 == most or rows[-1].token in ask.stop
                if done or len(rows) == self.together:
                    yield Part(rows, fed, done)
                    rows, fed = [], 0
                if done:
                    return
        finally:
            self.open -= 1

    async def measure(self, ids: Sequence[int]) -> Measured:
        self._live()
        tokens = torch.tensor([list(ids)])
        with torch.inference_mode():
            logits = self.model(tokens, graded=False).logits[0, :-1]
        return Measured(*measure(logits, tokens[0, 1:]))

    async def alive(self) -> bool:
        return self.left is None or self.left > 0

    async def close(self) -> None:
        self.closed = True

    def _live(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Lost("it was killed")

    @torch.inference_mode()
    def _row(self, ids: list[int], ask: Ask) -> Row:
        output = self.model(torch.tensor([ids]), graded=False)
        logits = output.logits[0, -1:].float()
        done = len(ids) - len(ask.ids)
        token = self._token(logits[0], ask) if done >= ask.replayed else list(ask.replay or ())[done]
        [logprob], [confidence] = measure(logits, torch.tensor([token]))
        states = 1 if ask.replay is None else done + 1
        logit = None if output.features is None else float(self.model.grade(output.features[0, -states:].mean(dim=0)))
        return Row(token, logprob, confidence, logit)

    def _token(self, logits: Tensor, ask: Ask) -> int:
        """By temperature alone: what is drawn is not what is tested here."""
        if ask.sampling.temperature == 0:
            return int(logits.argmax())
        weights = torch.softmax(logits / ask.sampling.temperature, dim=-1).tolist()
        return self.rng.choices(range(len(weights)), weights)[0]
