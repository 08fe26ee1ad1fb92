"""The pictures of docs/viewer.md, drawn from a real run of the bundled model where $REFLECTGEN_PICTURES names their folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from viewer.driven import ask, recorded
from viewer.fake_server import FakeServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif("REFLECTGEN_PICTURES" not in os.environ, reason="draws only where REFLECTGEN_PICTURES names a folder"),
]

LARGEST = 200_000
"""Bytes of a picture."""
WIDE = {"width": 1250, "height": 1070}
WINDOWS: dict[str, dict[str, Any]] = {
    "light": {"viewport": WIDE},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 780}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True},
}


@pytest.mark.parametrize(("name", "context"), list(WINDOWS.items()), ids=list(WINDOWS), indirect=["context"])
def test_a_picture_is_drawn(page: Page, server: FakeServer, name: str) -> None:
    ask(page, server, recorded("pruned" if name != "dark" else "mcts"))
    page.locator(".row.chosen .step").nth(2).click()
    if name == "phone":
        page.evaluate("document.querySelector('.answer').scrollIntoView()")
    page.wait_for_timeout(600)  # until what was pruned has faded
    file = Path(os.environ["REFLECTGEN_PICTURES"]) / f"viewer-{name}.png"
    page.screenshot(path=file)
    assert 0 < file.stat().st_size < LARGEST
