"""Text that would like to be more than text: in the question, in everything a model writes, and in names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from viewer.driven import ask, expect, open_trace, recorded, trace
from viewer.fake_server import Event, FakeServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

BIDI = "\u202eevil\u2066\u200f"
HOSTILE = (
    "<script>alert(1); window.taken = 1</script><img src=/stolen onerror='window.taken=1;alert(2)'>"
    "<svg onload=alert(3)><iframe srcdoc='<script>alert(4)</script>'></iframe><style>*{display:none}</style>"
    "</script><!--<script> ]]> </style></textarea></title> <a href='javascript:alert(5)'>x</a> &lt;b&gt; &#x202e; "
    "{{7*7}} ${7*7} <%= 7*7 %> {% raw %} __proto__ $& $1 \\u003c "
    f"{BIDI} \x00 \ud800 \x1b[31m \u2028 end"
)
ALLOWED = (
    "html head meta title link script style body a header h1 h2 h3 main section p span div b strong bdi ul ol li "
    "form label textarea select option input button table caption thead tbody tr th td svg path"
)
"""Elements that the page makes itself."""


def hostile(events: list[Event]) -> list[Event]:
    """The same run with every text of it replaced."""
    return [spoilt(event) for event in events]


def spoilt(event: Event) -> Event:
    names = ("model", "strategy", "select", "effort", "problem", "text", "why", "answer", "thinking", "reply")
    changed: dict[str, Any] = {name: HOSTILE for name in names if event.get(name) is not None}
    for name in ("branch", "parent"):
        if event.get(name) is not None:
            changed[name] = renamed(event[name])
    if "values" in event:
        changed["values"] = {renamed(branch): value for branch, value in event["values"].items()}
    if "notes" in event:
        changed["notes"] = [HOSTILE]
    return {**event, **changed}


def renamed(branch: str) -> str:
    return "__proto__" if branch == "0" else f'{branch}"]<img src=/stolen>{BIDI}'


def assert_only_text(page: Page) -> None:
    found = set(page.evaluate("[...document.querySelectorAll('*')].map((element) => element.localName)"))
    assert found <= set(ALLOWED.split())
    assert page.locator("body script:not(#trace), body style").count() == 0
    assert page.evaluate("window.taken") is None
    assert page.evaluate("({}).polluted === undefined && Object.keys(Object.prototype).length === 0")
    assert page.locator("#board-title").is_visible()


def test_a_hostile_run_changes_nothing_of_the_page(page: Page, server: FakeServer) -> None:
    events = hostile(recorded("beam"))
    ask(page, server, events)
    assert_only_text(page)
    asked = {path for _, path in server.requests}
    assert asked <= {"/", "/v1/models", "/v1/chat/completions"} | {path for path in asked if path.startswith("/viewer/")}
    assert page.locator(".row").count() == 32
    assert "<script>alert(1)" in page.locator("#question").inner_text()
    assert "{{7*7}} ${7*7} <%= 7*7 %>" in page.locator("#reader-steps").inner_text()


def test_controls_are_shown_and_cannot_turn_what_is_around_them(page: Page, server: FakeServer) -> None:
    ask(page, server, hostile(recorded("best_of_n")))
    for place in ("#question", "#reader-steps li >> nth=0", "#answer", ".row >> nth=1 >> .name"):
        text = page.locator(place).first.text_content() or ""
        assert "U+202E" in text or place.endswith(".name")
        assert not set(text) & set(BIDI.replace("evil", "") + "\x00\ud800\x1b\u2028")
    shown = page.locator("#question .control").all_inner_texts()
    assert {"U+0000", "U+D800", "U+001B", "U+2066", "U+200F", "U+2028"} <= set(shown)
    isolated = "[...document.querySelectorAll('.untrusted')].every((e) => getComputedStyle(e).unicodeBidi === 'isolate')"
    assert page.evaluate(isolated)
    labels = page.evaluate("[...document.querySelectorAll('[aria-label]')].map((e) => e.getAttribute('aria-label')).join()")
    assert not set(labels) & set("\u202e\u2066\u200f")


def test_what_is_downloaded_is_what_came_to_the_last_code_unit(page: Page, server: FakeServer) -> None:
    events = hostile(recorded("best_of_n"))
    ask(page, server, events)
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "trace.json"
    assert json.loads(download.value.path().read_text(encoding="utf-8")) == {"version": 1, "events": events}


def test_a_shared_hostile_run_is_only_text_in_a_file_of_its_own(page: Page, server: FakeServer, tmp_path: Path) -> None:
    events = hostile(recorded("pruned"))
    ask(page, server, events)
    with page.expect_download() as download:
        page.click("#share")
    file = tmp_path / "shared.html"
    download.value.save_as(file)
    alone = page.context.new_page()
    wrong: list[str] = []
    alone.on("pageerror", lambda error: wrong.append(str(error)))
    alone.on("console", lambda message: wrong.append(message.text))
    alone.on("dialog", lambda dialog: wrong.append(dialog.message))
    fetched: list[str] = []
    alone.on("request", lambda request: fetched.append(request.url))
    alone.goto(file.as_uri())
    expect(alone.locator(".row")).to_have_count(8)
    assert_only_text(alone)
    assert [url for url in fetched if not url.startswith("data:")] == [file.as_uri()] and wrong == []
    kept = json.loads(alone.locator("#trace").text_content() or "")
    assert kept == {"version": 1, "events": events}
    alone.close()


def test_markup_injected_into_a_shared_file_does_not_run(page: Page, server: FakeServer, tmp_path: Path) -> None:
    """The file's policy is a second wall: here the first one is broken on purpose."""
    ask(page, server, recorded("pruned"))
    with page.expect_download() as download:
        page.click("#share")
    text = download.value.path().read_text(encoding="utf-8")
    markup = f'<script>window.taken = 1</script><img src="{server.url}stolen" onerror="taken=1">'
    broken = text.replace("</body>\n</html>", f"{markup}</body>")
    assert broken != text
    file = tmp_path / "broken.html"
    file.write_text(broken, encoding="utf-8")
    alone = page.context.new_page()
    alone.goto(file.as_uri())
    expect(alone.locator(".row")).to_have_count(8)
    assert alone.evaluate("window.taken") is None
    assert ("GET", "/stolen") not in server.requests
    alone.close()


@pytest.mark.parametrize("strange", [5, None, [1], {"a": 1}, -1, 1e308, "x", True], ids=repr)
def test_fields_of_the_wrong_kind_break_nothing(page: Page, strange: Any) -> None:
    events = [{**event, **{name: strange for name in event if name != "type"}} for event in recorded("pruned")]
    open_trace(page, trace([*recorded("pruned"), *events, {"type": "constructor"}, {"type": "later"}, strange]))
    assert_only_text(page)
    assert page.locator("#trouble").inner_text() == ""
    assert page.locator(".row").count() >= 8
