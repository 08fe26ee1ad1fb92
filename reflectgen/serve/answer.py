"""From a search that is ready to run to a response, whole or streamed; what the routes share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

from fastapi import Request
from pydantic_core import to_json
from starlette.responses import Response

from reflectgen.serve import sse
from reflectgen.serve.asking import Ask
from reflectgen.serve.chosen import Choice, Usage
from reflectgen.serve.faults import ErrorBody
from reflectgen.serve.job import Job
from reflectgen.serve.service import Service

Whole = Callable[[Job], dict[str, Any]]
"""From a job that is over to the object that tells of it."""
Stream = Callable[[Job], AsyncGenerator[bytes, None]]
"""From a job to what is sent while it goes on."""


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    service: Service = request.app.state.service
    return service


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`value` as JSON."""
    return Response(to_json(value, inf_nan_mode="null"), status, headers, "application/json")


def pieces(choice: Choice, told: int) -> Iterator[str]:
    """The thinking step by step, without its first `told` characters."""
    rest = choice.thinking[told:]
    for step in choice.trajectory.steps:
        if not told and rest.startswith(step.text):
            yield step.text
            rest = rest[len(step.text) :]
    if rest:
        yield rest


def plain_usage(usage: Usage) -> dict[str, Any]:
    """Usage in the words of completions."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


async def answer(request: Request, ask: Ask, whole: Whole, stream: Stream | None) -> Response:
    """Run what is asked for; raises a `Fault` where there is no place for it, or no result."""
    service = service_of(request)
    job = Job(service, ask)
    request.state.about = job.about
    if stream is not None:
        return sse.EventStream(stream(job), service.limits.receive, job.cancel)
    await sse.unless_gone(request.receive, job.wait())
    return json_response(whole(job))


def documented(what: str, *, stream: bool = False) -> dict[int | str, dict[str, Any]]:
    """The responses of a route, for the OpenAPI document."""
    content: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    if stream:
        content["text/event-stream"] = {}
    wrong = {"model": ErrorBody, "description": "What is wrong."}
    return {200: {"description": what, "content": content}, "4XX": wrong, "5XX": wrong}
