"""Routes whose JSON is read strictly: UTF-8, of a sane depth, and without numbers that JSON does not have."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.responses import Response

from reflectgen.serve.faults import NO_OBJECT, Fault


class StrictRequest(Request):
    """A request whose JSON is UTF-8, of a sane depth, and without numbers that JSON does not have."""

    async def json(self) -> Any:
        """The body. One without a content type is none: a page of any origin may send it unasked."""
        if "content-type" not in self.headers:
            raise Fault("invalid_value", NO_OBJECT)
        try:
            return from_json(await self.body(), allow_inf_nan=False)
        except ValueError as error:
            raise Fault("invalid_json", f"The body is no JSON: {error}.") from None


class StrictRoute(APIRoute):
    """A route that reads its body so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


def strict_router() -> APIRouter:
    """A router of such routes."""
    return APIRouter(route_class=StrictRoute)
