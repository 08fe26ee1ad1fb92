"""What every request is: known fields only, and what is not supported is refused by name, at the first that is not.

`null` means "not given", as OpenAI's clients have it. A field of OpenAI's that is not supported here may still be sent with
the value that asks for nothing, since clients do so.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

from reflectgen.serve.faults import Fault

MOST = 4096
"""Entries of any list, whatever a service allows."""


class Wire(BaseModel):
    """Base of all that is sent to the service."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    UNSUPPORTED: ClassVar[dict[str, tuple[Any, ...]]] = {}
    """Field -> values of it that ask for nothing."""

    @model_validator(mode="before")
    @classmethod
    def _supported(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        given = {name: value for name, value in values.items() if value is not None}
        for name in given.keys() & cls.UNSUPPORTED.keys():
            if given.pop(name) not in cls.UNSUPPORTED[name]:
                raise Fault("unsupported_parameter", f"The parameter '{name}' is not supported: leave it out.", param=name)
        for name in given.keys() - cls.model_fields.keys():
            raise Fault("unknown_parameter", f"Unrecognized request argument supplied: {name[:100]}.", param=name[:100])
        return given
