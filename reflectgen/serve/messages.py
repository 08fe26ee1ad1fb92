"""Messages of a conversation, as clients write them, and the turns that a chat template gets."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from reflectgen.serve.faults import Fault
from reflectgen.serve.wire import MOST, Wire

Kind = Literal["text", "input_text", "output_text"]
"""Parts that are text: the first is of chats, the others are of responses."""


class Part(Wire):
    """A part of a message."""

    UNSUPPORTED: ClassVar = {"annotations": ([],), "logprobs": ([],)}
    type: Kind
    text: str

    @model_validator(mode="before")
    @classmethod
    def _only_text(cls, values: Any) -> Any:
        kind = values.get("type") if isinstance(values, dict) else None
        if isinstance(kind, str) and kind not in get_args(Kind):
            raise Fault("unsupported_parameter", f"Parts of the type '{kind}' are not supported: send text.", param="content")
        return values


class Message(Wire):
    """A message."""

    UNSUPPORTED: ClassVar = {
        "annotations": ([],),
        "audio": (),
        "function_call": (),
        "refusal": ("",),
        "tool_call_id": (),
        "tool_calls": ([],),
    }
    role: Literal["system", "developer", "user", "assistant"]
    type: Literal["message", "text"] = "message"
    """As some clients say of every message."""
    content: str | Annotated[list[Part], Field(max_length=MOST)]
    name: str | None = None
    reasoning_content: str | None = None
    """Earlier thinkings are no part of a prompt."""
    reasoning: str | None = None

    @property
    def text(self) -> str:
        """Its text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)

    @property
    def turn(self) -> dict[str, str]:
        """What the chat template gets."""
        return {"role": "system" if self.role == "developer" else self.role, "content": self.text}
