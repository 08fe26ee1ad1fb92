"""`/v1/chat/completions`: a conversation, answered whole or as a stream.

The chosen thinking goes out as `reasoning_content` and, what some clients read instead, `reasoning`. In a stream it comes step
by step, and then the answer. A stream begins before its search does: meanwhile come the steps of every branch where
`stream_steps` asks for them, and else comments. A single thinking needs no choice, so its steps are told as they are written.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Annotated, Any, ClassVar
from uuid import uuid4

from fastapi import Request
from pydantic import Field
from starlette.responses import Response

from reflectgen.serve import sse
from reflectgen.serve.answer import answer, documented, pieces, plain_usage, service_of
from reflectgen.serve.asking import EffortName, Knobs, Stops, StreamOptions, Wanted
from reflectgen.serve.chosen import Choice
from reflectgen.serve.job import Job
from reflectgen.serve.messages import Message
from reflectgen.serve.strict import strict_router
from reflectgen.serve.wire import MOST

router = strict_router()


class ChatRequest(Knobs):
    """The request."""

    UNSUPPORTED: ClassVar = {
        "audio": (),
        "frequency_penalty": (0,),
        "function_call": ("none", "auto"),
        "functions": ([],),
        "logit_bias": ({},),
        "modalities": (["text"],),
        "parallel_tool_calls": (True, False),
        "prediction": (),
        "presence_penalty": (0,),
        "response_format": ({"type": "text"},),
        "service_tier": ("auto", "default"),
        "store": (False,),
        "tool_choice": ("none", "auto"),
        "tools": ([],),
        "top_logprobs": (0,),
        "verbosity": ("medium",),
        "web_search_options": (),
    }
    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST)]
    reasoning_effort: EffortName | None = None
    n: int = Field(1, ge=1)
    stop: Stops | None = None
    max_completion_tokens: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    stream_options: StreamOptions = StreamOptions()


@router.post("/v1/chat/completions", responses=documented("A completion, or a stream of its chunks.", stream=True))
async def chat(wire: ChatRequest, request: Request) -> Response:
    """Answer a conversation."""
    service = service_of(request)
    service.check_model(wire.model)
    service.check_texts([message.text for message in wire.messages], "messages")
    wanted = Wanted(
        id=f"chatcmpl-{uuid4().hex}",
        problem=wire.messages[-1].text,
        prompt=await service.encode_chat([message.turn for message in wire.messages]),
        effort=wire.reasoning_effort or service.effort,
        budgets=(wire.max_completion_tokens, wire.max_tokens),
        n=wire.n,
        stop=wire.stop,
    )
    told = Told(wire, service.name)
    return await answer(request, service.ask(wire, wanted), told.whole, told.stream if wire.stream else None)


class Told:
    """How a job is told to whoever asked `wire` of `model`."""

    def __init__(self, wire: ChatRequest, model: str) -> None:
        self._wire, self._model, self._created = wire, model, int(time.time())

    def whole(self, job: Job) -> dict[str, Any]:
        """The completion of a job that is over."""
        return {
            **self._head(job, "chat.completion"),
            "choices": [
                {
                    "index": index,
                    "message": {"role": "assistant", "content": choice.content, "refusal": None, **_thought(choice.thinking)},
                    "logprobs": self._logprobs(choice),
                    "finish_reason": choice.finish,
                }
                for index, choice in enumerate(job.choices)
            ],
            "usage": plain_usage(job.usage),
            "reflectgen": job.summary,
        }

    async def stream(self, job: Job) -> AsyncGenerator[bytes, None]:
        """The chunks of a job."""
        head = self._head(job, "chat.completion.chunk")

        def chunk(index: int, delta: dict[str, Any], **more: Any) -> bytes:
            return sse.data({**head, "choices": [{"index": index, "delta": delta, "finish_reason": None, **more}]})

        yield chunk(0, {"role": "assistant", "content": ""})
        told = 0
        while not job.over:
            parts = []
            for news in await job.news():
                if isinstance(news, str):
                    parts.append(chunk(0, _thought(news)))
                    told += len(news)
                else:
                    parts.append(sse.data({**head, "choices": [], "reflectgen": news}))
            if parts or not job.over:
                yield b"".join(parts) or sse.KEEP_ALIVE
        await job.wait()
        parts = []
        for index, choice in enumerate(job.choices):
            if index:
                parts.append(chunk(index, {"role": "assistant", "content": ""}))
            parts += [chunk(index, _thought(text)) for text in pieces(choice, 0 if index else told)]
            parts.append(chunk(index, {"content": choice.content}, logprobs=self._logprobs(choice)))
            parts.append(chunk(index, {}, finish_reason=choice.finish))
        if self._wire.stream_options.include_usage:
            parts.append(sse.data({**head, "choices": [], "usage": plain_usage(job.usage)}))
        yield b"".join([*parts, sse.DONE])

    def _head(self, job: Job, kind: str) -> dict[str, Any]:
        return {"id": job.ask.id, "object": kind, "created": self._created, "model": self._model}

    def _logprobs(self, choice: Choice) -> dict[str, Any] | None:
        if not self._wire.logprobs:
            return None
        return {"content": [_token(text, logprob) for text, logprob in choice.tokens], "refusal": None}


def _thought(text: str) -> dict[str, str]:
    return {"reasoning_content": text, "reasoning": text} if text else {}


def _token(text: str, logprob: float) -> dict[str, Any]:
    known = None if "\ufffd" in text else list(text.encode())  # part of a character has no text of its own
    return {"token": text, "logprob": logprob, "bytes": known, "top_logprobs": []}
