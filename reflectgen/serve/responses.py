"""`/v1/responses`: OpenAI's newer shape of the same, text only and without a memory of earlier responses.

The thinking is an item of the type `reasoning` with its text; items of that type in the input are passed over, since earlier
thinkings are no part of a prompt.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal
from uuid import uuid4

from fastapi import Request
from pydantic import Discriminator, Field, Tag
from starlette.responses import Response

from reflectgen.serve.answer import answer, documented, service_of
from reflectgen.serve.asking import EffortName, Knobs, Wanted
from reflectgen.serve.faults import Fault
from reflectgen.serve.messages import Message
from reflectgen.serve.response_shape import Told
from reflectgen.serve.strict import strict_router
from reflectgen.serve.wire import MOST, Wire

router = strict_router()


class Reasoning(Wire):
    """How much to think."""

    UNSUPPORTED: ClassVar = {"generate_summary": (), "summary": ()}
    effort: EffortName | None = None


class Said(Message):
    """A message of the input."""

    type: Literal["message"] = "message"
    id: str | None = None
    status: str | None = None
    phase: str | None = None


class Thought(Wire):
    """A thinking that an earlier response held; it is passed over."""

    type: Literal["reasoning"]
    id: str | None = None
    status: str | None = None
    summary: list[Any] = Field(default_factory=list)
    content: list[Any] = Field(default_factory=list)
    encrypted_content: str | None = None


def _kind(item: Any) -> str:
    """What an item of the input is."""
    kind = item.get("type", "message") if isinstance(item, dict) else "message"
    if kind not in ("message", "reasoning"):
        raise Fault("unsupported_parameter", f"Items of the type '{kind}' are not supported: send messages.", param="input")
    return str(kind)


Item = Annotated[Annotated[Said, Tag("message")] | Annotated[Thought, Tag("reasoning")], Discriminator(_kind)]


class ResponseRequest(Knobs):
    """The request."""

    UNSUPPORTED: ClassVar = {
        "background": (False,),
        "conversation": (),
        "include": ([],),
        "max_tool_calls": (),
        "parallel_tool_calls": (True, False),
        "previous_response_id": (),
        "prompt": (),
        "service_tier": ("auto", "default"),
        "store": (False,),
        "stream_options": ({}, {"include_obfuscation": False}),
        "text": ({}, {"format": {"type": "text"}}),
        "tool_choice": ("none", "auto"),
        "tools": ([],),
        "top_logprobs": (0,),
        "truncation": ("disabled",),
    }
    input: str | Annotated[list[Item], Field(min_length=1, max_length=MOST)]
    instructions: str | None = None
    max_output_tokens: int | None = Field(None, ge=1)
    reasoning: Reasoning = Reasoning()

    @property
    def turns(self) -> list[dict[str, str]]:
        """The conversation."""
        system = [{"role": "system", "content": self.instructions}] if self.instructions else []
        if isinstance(self.input, str):
            return [*system, {"role": "user", "content": self.input}]
        return [*system, *(item.turn for item in self.input if isinstance(item, Said))]


@router.post("/v1/responses", responses=documented("A response, or a stream of its events.", stream=True))
async def responses(wire: ResponseRequest, request: Request) -> Response:
    """Answer a conversation."""
    service = service_of(request)
    service.check_model(wire.model)
    if wire.reflectgen.stream_steps:
        message = "Steps are streamed by /v1/chat/completions: leave reflectgen.stream_steps out."
        raise Fault("unsupported_parameter", message, param="reflectgen.stream_steps")
    turns = wire.turns
    service.check_texts([turn["content"] for turn in turns], "input")
    wanted = Wanted(
        id=f"resp_{uuid4().hex}",
        problem=turns[-1]["content"] if turns else "",
        prompt=await service.encode_chat(turns),
        effort=wire.reasoning.effort or service.effort,
        budgets=(wire.max_output_tokens,),
    )
    echoed = {name: getattr(wire, name) for name in ("instructions", "max_output_tokens", "metadata", "user")}
    told = Told(service.name, echoed)
    return await answer(request, service.ask(wire, wanted), told.whole, told.stream if wire.stream else None)
