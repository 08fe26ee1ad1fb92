"""What a client is told when something goes wrong, in OpenAI's shape.

{"error": {"message": ..., "type": ..., "param": ..., "code": ...}}
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from pydantic import BaseModel
from starlette.exceptions import HTTPException

from reflectgen.errors import CapacityError, InputError, ModelError, OptionError, ReflectgenError

INVALID, SERVER = "invalid_request_error", "server_error"

KINDS: dict[str, tuple[int, str]] = {
    "invalid_json": (400, INVALID),
    "invalid_value": (400, INVALID),
    "invalid_prompt": (400, INVALID),
    "unknown_parameter": (400, INVALID),
    "unsupported_parameter": (400, INVALID),
    "context_length_exceeded": (400, INVALID),
    "invalid_api_key": (401, INVALID),
    "forbidden": (403, INVALID),
    "not_found": (404, INVALID),
    "model_not_found": (404, INVALID),
    "method_not_allowed": (405, INVALID),
    "request_timeout": (408, INVALID),
    "request_too_large": (413, INVALID),
    "rate_limit_exceeded": (429, "rate_limit_error"),
    "client_closed_request": (499, INVALID),
    "internal_error": (500, SERVER),
    "engine_gone": (503, SERVER),
    "shutting_down": (503, SERVER),
    "deadline_exceeded": (504, "timeout_error"),
}
"""Code -> HTTP status and type."""

ADDRESS = re.compile(r"https?://[^\s,;()]*[^\s,;().:]")
CODES: dict[type[ReflectgenError], str] = {
    CapacityError: "context_length_exceeded",
    InputError: "invalid_prompt",
    OptionError: "invalid_value",
    ModelError: "invalid_value",
}
"""Error of the library -> code."""

PLAIN = {400: "invalid_json", 404: "not_found", 405: "method_not_allowed"}
"""Status that the framework answers with by itself -> code."""


NO_OBJECT = "The body must be a JSON object, sent as application/json."

KIND = re.compile(r"str|constrained-str|.*\[.*")
"""Part of a field's path that names no field but the one of its types that was tried."""


class Error(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    """The field at fault."""
    code: str


class ErrorBody(BaseModel):
    """An answer that is an error."""

    error: Error


class Fault(HTTPException):
    """One answer that is an error."""

    def __init__(self, code: str, message: str, *, param: str | None = None, headers: dict[str, str] | None = None) -> None:
        """`code` is one of `KINDS`, `param` the name of the field at fault, `headers` go out with the answer."""
        self.code, self.message, self.param = code, message, param
        status, self.type = KINDS[code]
        super().__init__(status, message, headers)

    @property
    def body(self) -> ErrorBody:
        """The answer."""
        return ErrorBody(error=Error(message=self.message, type=self.type, param=self.param, code=self.code))


def of_library(error: ReflectgenError) -> Fault:
    """The fault that an error of the library is."""
    return Fault(next(code for kind, code in CODES.items() if isinstance(error, kind)), anonymous(str(error)))


def anonymous(text: str) -> str:
    """What an engine says, without the addresses of the servers behind it: those are for the log."""
    return ADDRESS.sub("(hidden)", text)


def unforeseen(id: str) -> Fault:
    """The fault of a request that met a bug; the log says under `id` what it was."""
    return Fault("internal_error", f"Something went wrong here; its id is {id}.")


def of_framework(error: HTTPException) -> Fault:
    """The fault that an exception of the framework is."""
    if isinstance(error, Fault):
        return error
    headers = dict(error.headers) if error.headers else None
    return Fault(PLAIN.get(error.status_code, "invalid_value"), f"{error.detail}.", headers=headers)


def of_fields(errors: Sequence[Any]) -> Fault:
    """The fault of a request whose fields are wrong: the first of them."""
    first = errors[0]
    path = list(takewhile(lambda part: not KIND.fullmatch(part), map(str, first["loc"][1:])))
    if not path:
        return Fault("invalid_value", NO_OBJECT)
    name = ".".join(path)
    return Fault("invalid_value", f"{name}: {first['msg'].removeprefix('Value error, ')}.", param=name)
