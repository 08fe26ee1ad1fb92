"""What operators and clients ask of a service beside its work: whether it lives, what it serves, what it counted."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from reflectgen.serve.answer import documented, json_response, service_of
from reflectgen.serve.events import schema

router = APIRouter()
BEGAN = int(time.time())


@router.get("/healthz", responses=documented("The process lives."))
async def healthz() -> Response:
    """Whether the process lives."""
    return json_response({"status": "ok"})


@router.get("/readyz", responses=documented("It takes requests."))
async def readyz(request: Request) -> Response:
    """Whether it takes requests: 503 while it is stopping, and where its engine is gone."""
    service = service_of(request)
    status = "stopping" if service.admission.closed else "engine gone" if service.gone else "ready"
    return json_response({"status": status, "model": service.name}, 200 if status == "ready" else 503)


@router.get("/metrics", responses={200: {"description": "All series.", "content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """What was counted, for Prometheus."""
    text, kind = service_of(request).metrics.exposition()
    return Response(text, headers={"content-type": kind})


@router.get("/v1/models", responses=documented("The model that is served, in a list."))
async def models(request: Request) -> Response:
    """The model that is served."""
    return json_response({"object": "list", "data": [_card(service_of(request).name)]})


@router.get("/v1/models/{name:path}", responses=documented("The model."))
async def model(name: str, request: Request) -> Response:
    """The model `name`."""
    service_of(request).check_model(name)
    return json_response(_card(name))


@router.get("/v1/events.schema.json", responses=documented("The JSON schema of a stream's events."))
async def events_schema() -> Response:
    """The JSON schema of the events that a stream with `stream_steps` holds."""
    return json_response(schema())


def _card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": BEGAN, "owned_by": "reflectgen"}
