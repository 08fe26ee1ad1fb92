"""The fake server, and pages of a browser on it; where there is no browser, tests that need one are skipped and say why."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from viewer.fake_server import FakeServer, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve() as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium: $REFLECTGEN_CHROMIUM, or the one on the path."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'reflectgen[browser]'")
    program = os.environ.get("REFLECTGEN_CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("needs a browser: install chromium, or set REFLECTGEN_CHROMIUM to its program")
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"] if as_root else [])
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A fresh window; a test may ask for its options by `indirect` parameters."""
    options: dict[str, Any] = getattr(request, "param", {})
    opened = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", **options})
    yield opened
    opened.close()


def complaint(message: ConsoleMessage) -> bool:
    """Whether the browser complains; that a server refused is its own note, and the page's to tell."""
    return message.type == "error" and "the server responded with a status of" not in message.text


@contextmanager
def opened_at(url: str, context: BrowserContext) -> Iterator[Page]:
    """The viewer, opened; whatever the page complained of fails the test."""
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if complaint(message) else None)
    opened.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    opened.goto(url)
    opened.wait_for_load_state("networkidle")
    yield opened
    assert wrong == []


@pytest.fixture
def page(context: BrowserContext, server: FakeServer) -> Iterator[Page]:
    """The viewer of the fake server."""
    with opened_at(server.url, context) as opened:
        yield opened
