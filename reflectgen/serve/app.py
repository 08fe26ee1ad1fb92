"""The application: all routes over one service, behind its door."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from reflectgen.errors import ReflectgenError
from reflectgen.serve import chat, completions, faults, health, responses, scores, viewer
from reflectgen.serve.answer import json_response
from reflectgen.serve.door import Door
from reflectgen.serve.faults import Fault
from reflectgen.serve.keys import Keys
from reflectgen.serve.service import Service

ROUTERS = (chat.router, completions.router, responses.router, scores.router, health.router, viewer.router)


def application(service: Service, keys: Keys, origins: Sequence[str] = ()) -> ASGIApp:
    """The application; `keys` open it, and pages of `origins` may ask."""
    app = FastAPI(
        title="reflectgen",
        version=version("reflectgen"),
        summary="Language models that grade their own reasoning steps while they decode.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)
    for kind, told in TOLD.items():
        app.add_exception_handler(kind, told)
    door = Door(app, service, keys, origins)
    if not origins:
        return door
    return CORSMiddleware(door, allow_origins=origins, allow_methods=["GET", "POST"], allow_headers=["*"])


async def _library(request: Request, error: Exception) -> Response:
    assert isinstance(error, ReflectgenError)
    return _tell(faults.of_library(error))


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _tell(faults.of_framework(error))


async def _fields(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _tell(faults.of_fields(error.errors()))


async def _unforeseen(request: Request, error: Exception) -> Response:
    """The framework raises it once more behind this answer, and the door logs it."""
    return _tell(faults.unforeseen(request.state.id))


def _tell(fault: Fault) -> Response:
    return json_response(fault.body, fault.status_code, dict(fault.headers or {}))


TOLD = {
    ReflectgenError: _library,
    HTTPException: _framework,
    RequestValidationError: _fields,
    Exception: _unforeseen,
}
"""Exception -> what is told of it."""
