"""`/v1/completions`: a prompt as it stands, without a chat template, and everything that was written after it.

The text holds thinking, tags and reply of the chosen branch. `best_of` is the number of thinkings.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from itertools import accumulate
from typing import Annotated, Any, ClassVar, Literal
from uuid import uuid4

from fastapi import Request
from pydantic import Field
from starlette.responses import Response

from reflectgen.serve import sse
from reflectgen.serve.answer import answer, documented, plain_usage, service_of
from reflectgen.serve.asking import EffortName, Knobs, Stops, StreamOptions, Wanted
from reflectgen.serve.chosen import Choice
from reflectgen.serve.job import Job
from reflectgen.serve.strict import strict_router

router = strict_router()


class CompletionRequest(Knobs):
    """The request."""

    UNSUPPORTED: ClassVar = {
        "echo": (False,),
        "frequency_penalty": (0,),
        "logit_bias": ({},),
        "presence_penalty": (0,),
        "suffix": ("",),
    }
    prompt: str | Annotated[list[str], Field(min_length=1, max_length=1)]
    reasoning_effort: EffortName | None = None
    best_of: int | None = Field(None, ge=1)
    n: int = Field(1, ge=1)
    stop: Stops | None = None
    max_tokens: int | None = Field(None, ge=1)
    logprobs: Literal[0] | None = None
    """0: of the tokens that were drawn. Those of others are not kept."""
    stream_options: StreamOptions = StreamOptions()

    @property
    def text(self) -> str:
        """The prompt."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]


@router.post("/v1/completions", responses=documented("A completion, or a stream of its chunks.", stream=True))
async def completions(wire: CompletionRequest, request: Request) -> Response:
    """Go on with a text."""
    service = service_of(request)
    service.check_model(wire.model)
    service.check_texts([wire.text], "prompt")
    wanted = Wanted(
        id=f"cmpl-{uuid4().hex}",
        problem=wire.text,
        prompt=await service.encode_text(wire.text),
        effort=wire.reasoning_effort or service.effort,
        budgets=(wire.max_tokens,),
        n=wire.n,
        k=wire.best_of,
        stop=wire.stop,
        raw=True,
    )
    told = Told(wire, service.name)
    return await answer(request, service.ask(wire, wanted), told.whole, told.stream if wire.stream else None)


class Told:
    """How a job is told to whoever asked `wire` of `model`."""

    def __init__(self, wire: CompletionRequest, model: str) -> None:
        self._wire, self._model, self._created = wire, model, int(time.time())

    def whole(self, job: Job) -> dict[str, Any]:
        """The completion of a job that is over."""
        choices = [self._choice(index, choice) for index, choice in enumerate(job.choices)]
        return {**self._head(job), "choices": choices, "usage": plain_usage(job.usage), "reflectgen": job.summary}

    async def stream(self, job: Job) -> AsyncGenerator[bytes, None]:
        """The chunks of a job."""
        head = self._head(job)
        while not job.over:
            events = [news for news in await job.news() if not isinstance(news, str)]
            if events or not job.over:
                told = b"".join(sse.data({**head, "choices": [], "reflectgen": event}) for event in events)
                yield told or sse.KEEP_ALIVE
        await job.wait()
        parts = [sse.data({**head, "choices": [self._choice(index, choice)]}) for index, choice in enumerate(job.choices)]
        if self._wire.stream_options.include_usage:
            parts.append(sse.data({**head, "choices": [], "usage": plain_usage(job.usage)}))
        yield b"".join([*parts, sse.DONE])

    def _head(self, job: Job) -> dict[str, Any]:
        return {"id": job.ask.id, "object": "text_completion", "created": self._created, "model": self._model}

    def _choice(self, index: int, choice: Choice) -> dict[str, Any]:
        told = None if self._wire.logprobs is None else _logprobs(choice)
        return {"index": index, "text": choice.content, "logprobs": told, "finish_reason": choice.finish}


def _logprobs(choice: Choice) -> dict[str, Any]:
    texts = [text for text, _ in choice.tokens]
    return {
        "tokens": texts,
        "token_logprobs": [logprob for _, logprob in choice.tokens],
        "top_logprobs": None,
        "text_offset": list(accumulate(map(len, texts[:-1]), initial=0)) if texts else [],
    }
