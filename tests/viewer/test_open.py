"""Recorded traces come in and runs go out, in every form that is promised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from viewer.driven import ask, expect, open_trace, recorded, trace
from viewer.fake_server import FakeServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

EVENTS = recorded("pruned")
FORMS = {
    "an object": trace(EVENTS),
    "a bare list": json.dumps(EVENTS),
    "lines": "\n".join(map(json.dumps, EVENTS)) + "\n",
    "lines of Windows": "\r\n".join(map(json.dumps, EVENTS)),
    "pretty lines with a mark at the beginning": "\ufeff" + json.dumps({"version": 1, "events": EVENTS}, indent=2),
}
WRONG = {
    "not JSON": ("Dear diary", "it is not JSON"),
    "a number": ("5", "no event of a run"),
    "another thing": ('{"weights": [1, 2]}', "no event of a run"),
    "no events": ('{"version": 1, "events": []}', "no event of a run"),
    "a later version": ('{"version": 2, "events": []}', "has version 2"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_trace_is_opened_by_the_file_picker(page: Page, form: str) -> None:
    open_trace(page, FORMS[form])
    assert page.locator(".row").count() == 8
    assert page.locator("#answer").inner_text() == "49"
    assert page.locator("#empty").is_hidden()


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_trace_is_told_and_changes_nothing(page: Page, what: str) -> None:
    open_trace(page, trace(EVENTS))
    text, sentence = WRONG[what]
    open_trace(page, text)
    assert sentence in page.locator("#trouble").inner_text()
    assert page.locator(".row").count() == 8
    open_trace(page, trace(recorded("best_of_n")))
    assert page.locator("#trouble").inner_text() == ""
    assert page.locator("#answer").inner_text() == "21"


def test_a_trace_is_opened_by_dropping_it(page: Page) -> None:
    make = '(text) => { const data = new DataTransfer(); data.items.add(new File([text], "run.json")); return data; }'
    dropped = page.evaluate_handle(make, trace(EVENTS))
    page.dispatch_event("body", "dragover", {"dataTransfer": dropped})
    assert page.locator("body.dropping").count() == 1
    page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    expect(page.locator(".row")).to_have_count(8)
    assert page.locator("body.dropping").count() == 0


def test_a_trace_is_opened_by_an_address_of_the_same_origin_only(page: Page, server: FakeServer) -> None:
    server.files["/runs/one.json"] = trace(EVENTS)
    page.goto(f"{server.url}?trace=runs/one.json")
    expect(page.locator("#answer")).to_have_text("49")
    page.goto(f"{server.url}?trace=http://localhost:1/one.json")
    expect(page.locator("#trouble")).to_contain_text("only fetched from where this page came from")
    page.goto(f"{server.url}?trace=data:application/json,[]")
    expect(page.locator("#trouble")).to_contain_text("only fetched from where this page came from")
    page.goto(f"{server.url}?trace=runs/two.json")
    expect(page.locator("#trouble")).to_contain_text("There is no trace at this address")


def test_a_trace_opened_while_a_question_is_answered_takes_its_place(page: Page, server: FakeServer) -> None:
    server.events, server.pause = recorded("best_of_n"), 0.02
    page.fill("#problem", "?")
    page.click("#send")
    expect(page.locator(".step").first).to_be_visible()
    open_trace(page, trace(EVENTS))
    expect(page.locator("#send")).to_have_text("Ask")
    assert page.locator("#answer").inner_text() == "49"
    assert page.locator(".row").count() == 8


@pytest.mark.parametrize("context", [{"permissions": ["clipboard-read", "clipboard-write"]}], indirect=True)
def test_a_run_is_copied_as_json(page: Page, server: FakeServer) -> None:
    ask(page, server, EVENTS)
    page.click("#copy")
    expect(page.locator("#said")).to_have_text("Copied.")
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == {"version": 1, "events": EVENTS}


@pytest.mark.parametrize("context", [{"color_scheme": "dark"}], indirect=True)
def test_a_shared_file_shows_the_run_without_a_server(page: Page, server: FakeServer, tmp_path: Path) -> None:
    ask(page, server, recorded("beam"))
    with page.expect_download() as download:
        page.click("#share")
    expect(page.locator("#said")).to_have_text("Saved as reflectgen.html.")
    file = tmp_path / "shared.html"
    download.value.save_as(file)
    alone = page.context.new_page()
    alone.goto(file.as_uri())
    expect(alone.locator("#answer")).to_have_text("21")
    assert alone.locator(".row").count() == page.locator(".row").count() == 32
    for id in ("question", "facts", "rows", "reader", "ballots", "choices"):
        assert alone.locator(f"#{id}").inner_text() == page.locator(f"#{id}").inner_text()
    assert alone.locator("#ask").is_hidden() and alone.locator("#share").is_hidden()
    assert alone.locator("#model").inner_text() == "tiny"
    open_trace(alone, trace(EVENTS))
    assert alone.locator("#answer").inner_text() == "49"
    with alone.expect_download() as saved:
        alone.click("#download")
    assert json.loads(saved.value.path().read_text(encoding="utf-8"))["events"] == EVENTS
    alone.close()
