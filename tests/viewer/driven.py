"""A browser on the viewer, and what the tests do with it. Playwright is imported when it is needed, not before."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page
    from viewer.fake_server import Event, FakeServer

TRACES = Path(__file__).parent / "traces"


def recorded(name: str) -> list[Event]:
    """The events of one of the traces that the bundled model made."""
    found: list[Event] = json.loads((TRACES / f"{name}.json").read_text(encoding="utf-8"))["events"]
    return found


def trace(events: Iterable[Event]) -> str:
    """Events as the text of a trace."""
    return json.dumps({"version": 1, "events": list(events)})


def expect(what: Locator) -> Any:
    """Playwright's assertions, which wait for what they assert."""
    from playwright.sync_api import expect

    return expect(what)


def ask(page: Page, server: FakeServer, events: list[Event], timeout: float = 10_000) -> None:
    """Ask the question of `events` and wait until its answer has come."""
    server.events = events
    page.fill("#problem", events[0]["problem"])
    page.click("#send")
    expect(page.locator("#send")).to_have_text("Ask", timeout=timeout)
    page.evaluate("new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))")


def open_trace(page: Page, text: str, name: str = "trace.json") -> None:
    """Open a trace by the file picker and wait until it is painted."""
    page.set_input_files("#file", {"name": name, "mimeType": "application/json", "buffer": text.encode()})
    page.evaluate("new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))")


def table(page: Page, body: str) -> list[list[str]]:
    """The cells of a table's body, row by row."""
    rows = page.locator(f"#{body} tr").all()
    return [[cell.inner_text().strip() for cell in row.locator("th, td").all()] for row in rows]
