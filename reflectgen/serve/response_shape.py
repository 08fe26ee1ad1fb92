"""A job in the shape of OpenAI's responses: one object, or a stream of events with names and numbers."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any
from uuid import uuid4

from reflectgen.serve import sse
from reflectgen.serve.answer import pieces
from reflectgen.serve.job import Job

Event = Callable[..., bytes]
"""From a name and the fields of an event to its text."""


class Told:
    """How a job is told."""

    def __init__(self, model: str, echoed: Mapping[str, Any]) -> None:
        """`echoed` are the fields of the request that the response repeats."""
        self._model, self._echoed, self._created = model, echoed, int(time.time())
        self._thought, self._message = f"rs_{uuid4().hex}", f"msg_{uuid4().hex}"

    def whole(self, job: Job) -> dict[str, Any]:
        """The response of a job that is over."""
        (choice,) = job.choices
        cut = choice.finish == "length"
        thought = [self._thinking(choice.thinking)] if choice.thinking else []
        usage = job.usage
        return {
            **self._response(job, "incomplete" if cut else "completed"),
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": [*thought, self._said(choice.content, "incomplete" if cut else "completed")],
            "usage": {
                "input_tokens": usage.prompt,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": usage.completion,
                "output_tokens_details": {"reasoning_tokens": usage.reasoning},
                "total_tokens": usage.prompt + usage.completion,
            },
            "reflectgen": job.summary,
        }

    async def stream(self, job: Job) -> AsyncGenerator[bytes, None]:
        """The events of a job."""
        numbers = count()

        def event(kind: str, **fields: Any) -> bytes:
            return sse.named(kind, {"type": kind, "sequence_number": next(numbers), **fields})

        begun = self._response(job, "in_progress")
        yield event("response.created", response=begun) + event("response.in_progress", response=begun)
        told = ""
        while not job.over:
            news = [text for text in await job.news() if isinstance(text, str)]
            parts = self._think(event, news, begun=bool(told))
            told += "".join(news)
            if parts or not job.over:
                yield b"".join(parts) or sse.KEEP_ALIVE
        await job.wait()
        (choice,) = job.choices
        parts = []
        if choice.thinking:
            parts = self._think(event, list(pieces(choice, len(told))), begun=bool(told))
            parts.append(event("response.reasoning_text.done", **self._at(0, self._thought), text=choice.thinking))
            parts.append(event("response.output_item.done", output_index=0, item=self._thinking(choice.thinking)))
        yield b"".join([*parts, *self._say(event, self.whole(job))])

    def _think(self, event: Event, texts: Sequence[str], *, begun: bool) -> list[bytes]:
        """The events of a thinking that goes on."""
        first = [] if begun or not texts else [event("response.output_item.added", output_index=0, item=self._thinking(None))]
        place = self._at(0, self._thought)
        return [*first, *(event("response.reasoning_text.delta", **place, delta=text) for text in texts)]

    def _say(self, event: Event, whole: dict[str, Any]) -> Iterator[bytes]:
        """The events of the answer, and of the end."""
        *_, said = whole["output"]
        index = len(whole["output"]) - 1
        place, part = self._at(index, self._message), said["content"][0]
        yield event("response.output_item.added", output_index=index, item={**said, "status": "in_progress", "content": []})
        yield event("response.content_part.added", **place, part=_part(""))
        yield event("response.output_text.delta", **place, delta=part["text"], logprobs=[])
        yield event("response.output_text.done", **place, text=part["text"], logprobs=[])
        yield event("response.content_part.done", **place, part=part)
        yield event("response.output_item.done", output_index=index, item=said)
        yield event(f"response.{whole['status']}", response=whole)

    def _response(self, job: Job, status: str) -> dict[str, Any]:
        sampling = job.ask.prepared.request.sampling
        return {
            "id": job.ask.id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self._model,
            "output": [],
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "reasoning": {"effort": job.ask.effort, "summary": None},
            "store": False,
            "temperature": sampling.temperature,
            "text": {"format": {"type": "text"}},
            "tool_choice": "none",
            "tools": [],
            "top_p": sampling.top_p,
            "truncation": "disabled",
            "usage": None,
            **self._echoed,
        }

    def _at(self, index: int, item: str) -> dict[str, Any]:
        return {"item_id": item, "output_index": index, "content_index": 0}

    def _thinking(self, text: str | None) -> dict[str, Any]:
        """The item of a thinking, which is under way where there is no text."""
        content = [] if text is None else [{"type": "reasoning_text", "text": text}]
        status = "in_progress" if text is None else "completed"
        return {"id": self._thought, "type": "reasoning", "status": status, "summary": [], "content": content}

    def _said(self, text: str, status: str) -> dict[str, Any]:
        return {"id": self._message, "type": "message", "status": status, "role": "assistant", "content": [_part(text)]}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
