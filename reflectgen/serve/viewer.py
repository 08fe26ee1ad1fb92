"""The viewer's page and its files, where the package has them."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from reflectgen.serve.faults import Fault

FOLDER = Path(__file__).parent.parent / "viewer"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: nothing that does not come from here, and nothing that is written into it."""
KINDS = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
"""Suffixes of the files that are given out, with their media types."""

router = APIRouter(include_in_schema=False)


@router.get("/")
async def index() -> Response:
    """The page."""
    return _file("index.html")


@router.get("/viewer/{name}")
async def file(name: str) -> Response:
    """One of the page's files."""
    return _file(name)


def _file(name: str) -> Response:
    known = {path.name: path for path in FOLDER.glob("*.*") if path.suffix in KINDS}
    if name not in known:
        raise Fault("not_found", "There is no such page.")
    headers = {"content-security-policy": POLICY, "cache-control": "no-cache"}
    return FileResponse(known[name], media_type=KINDS[known[name].suffix], headers=headers)
