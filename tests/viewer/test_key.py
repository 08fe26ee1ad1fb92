"""The viewer of a service that wants a key: how it asks for one, and where the key does not go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from serve.rig import KEY, Script, listening, serving
from viewer.conftest import opened_at
from viewer.driven import expect
from viewer.test_access import LIGHTS, violations

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser

NEEDED = "This server asks for an API key: write it into the field of that name."
WRONG = "The server does not know this API key: look for a slip, or write another."
SCRIPTS = [Script("Two.\n\nSo 4.\n\n</think>", reply="\\boxed{4}", logits=(1.0, 2.0))]


@pytest.fixture
def locked(context: BrowserContext) -> Iterator[Page]:
    """The viewer of a real service, of scripts, that has keys."""
    with (
        serving(SCRIPTS) as service,
        listening(service, ["sk-other", KEY]) as (_, url),
        opened_at(f"{url}/", context) as page,
    ):
        page.select_option("[name=strategy]", "")
        page.fill("#problem", "What is 2 + 2?")
        yield page


def refused(page: Page, sentence: str) -> None:
    """The page says so, and lets the key be written at once."""
    expect(page.get_by_role("alert")).to_have_text(sentence)
    expect(page.locator("#send")).to_have_text("Ask")
    assert page.get_by_label("API key").get_attribute("aria-invalid") == "true"
    assert page.evaluate("document.activeElement.id") == "key"


def test_a_key_is_asked_for_and_a_wrong_one_told_and_with_the_right_one_the_answer_comes(locked: Page) -> None:
    key = locked.get_by_label("API key")
    expect(locked.get_by_role("alert")).to_have_text(NEEDED)
    assert (key.get_attribute("type"), key.get_attribute("aria-invalid")) == ("password", "true")
    locked.click("#send")
    refused(locked, NEEDED)
    for wrong in ("sk-wrong", f"{KEY}x", "пароль", f"{KEY} sk-other"):
        locked.keyboard.type(wrong)
        locked.keyboard.press("Enter")
        refused(locked, WRONG)
        key.fill("")
    locked.keyboard.type(f" {KEY} ")
    locked.keyboard.press("Enter")
    expect(locked.locator("#answer")).to_have_text("4")
    expect(locked.locator("#model")).to_have_text("scripted")
    expect(locked.get_by_role("alert")).to_be_empty()
    assert key.get_attribute("aria-invalid") == "false"


def test_the_key_goes_into_no_address_no_storage_and_no_file(locked: Page, tmp_path: Path) -> None:
    asked: list[str] = []
    locked.on("request", lambda request: asked.append(f"{request.url} {request.post_data} {request.headers.get('referer')}"))
    locked.fill("#key", KEY)
    locked.click("#send")
    expect(locked.locator("#answer")).to_have_text("4")
    for button in ("download", "share"):
        with locked.expect_download() as download:
            locked.click(f"#{button}")
        download.value.save_as(tmp_path / button)
    assert len(asked) > 2 and KEY not in "".join(asked) + locked.url + locked.content()
    stored = "JSON.stringify([localStorage, sessionStorage, document.cookie, history.state])"
    assert KEY not in locked.evaluate(stored)
    files = [(tmp_path / button).read_text(encoding="utf-8") for button in ("download", "share")]
    assert all("So 4." in file and KEY not in file for file in files)
    locked.reload()
    expect(locked.get_by_role("alert")).to_have_text(NEEDED)
    assert locked.input_value("#key") == ""


@pytest.mark.parametrize("context", list(LIGHTS.values()), ids=list(LIGHTS), indirect=True)
def test_axe_finds_nothing_serious_where_a_key_is_asked_for(locked: Page) -> None:
    expect(locked.get_by_role("alert")).to_have_text(NEEDED)
    assert violations(locked) == []
    locked.fill("#key", "sk-wrong")
    locked.click("#send")
    refused(locked, WRONG)
    assert violations(locked) == []
