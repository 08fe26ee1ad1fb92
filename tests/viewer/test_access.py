"""The viewer for those who do not see it, or not in this size or light: axe's rules, and what it cannot know."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from viewer.driven import ask, open_trace, recorded, trace
from viewer.fake_server import FakeServer
from viewer.test_speed import long_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

LIGHTS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True},
}


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """The rules of axe that the page breaks seriously, each with the elements that do."""
    pytest.importorskip("axe_playwright_python", reason="needs axe: pip install 'reflectgen[browser]'")
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then((result) => result.violations)")
    serious = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    return [(rule["id"], [node["html"][:200] for node in rule["nodes"]][:5]) for rule in serious]


@pytest.mark.parametrize("context", list(LIGHTS.values()), ids=list(LIGHTS), indirect=True)
def test_axe_finds_nothing_serious_before_and_after_a_question(page: Page, server: FakeServer) -> None:
    assert violations(page) == []
    for name in ("pruned", "beam"):
        ask(page, server, recorded(name))
        page.locator(".step").nth(1).click()
        page.wait_for_timeout(500)  # until what fades has faded
        assert violations(page) == []


def test_axe_finds_nothing_serious_in_a_long_run(page: Page) -> None:
    open_trace(page, trace(long_run()))
    page.locator(".step").nth(1).click()
    assert violations(page) == []


def test_the_thinkings_can_be_skipped_to(page: Page, server: FakeServer) -> None:
    assert page.locator("#skip").is_hidden()
    ask(page, server, recorded("pruned"))
    page.locator("#skip").press("Enter")
    assert page.evaluate("document.activeElement.id") == "board-title"


def test_the_chosen_answer_is_announced_once(page: Page, server: FakeServer) -> None:
    page.evaluate(
        """() => {
          window.said = [];
          const answer = document.querySelector("[aria-live=polite]");
          const note = () => window.said.push(answer.innerText.replace(/\\s+/g, " "));
          new MutationObserver(note).observe(answer, { childList: true, subtree: true, characterData: true });
        }"""
    )
    ask(page, server, recorded("pruned"))
    said = page.evaluate("window.said")
    assert said[-1] == "Answer 49 From thinking 3, chosen by sprm, 50 % of the votes"
    assert len([sentence for sentence in said if "49" in sentence]) == 1


def test_landmarks_rows_and_cells_have_their_roles(page: Page, server: FakeServer) -> None:
    ask(page, server, recorded("beam"))
    assert page.get_by_role("banner").count() == page.get_by_role("main").count() == 1
    assert page.get_by_role("treegrid", name="Thinkings").get_by_role("row").count() == 32
    assert page.get_by_role("gridcell", name="score 0.81").count() > 0
    assert page.get_by_role("table", name="Votes").count() == page.get_by_role("table", name="Selectors").count() == 1


def test_every_control_is_reached_by_tab_and_shows_its_focus(page: Page) -> None:
    named = "document.activeElement.id || document.activeElement.name || document.activeElement.localName"
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(named))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or reached[-1] == "body"
        if reached[-1] == "body":
            break
    fields = ["problem", "effort", "strategy", "select", "seed", "key", "send"]
    assert reached[:12] == ["open", "theme", *fields, *["button"] * 3]


@pytest.mark.parametrize("context", [{"reduced_motion": "reduce"}], indirect=True)
def test_nothing_moves_where_motion_is_not_wanted(page: Page, server: FakeServer) -> None:
    ask(page, server, recorded("pruned"))
    assert page.evaluate("getComputedStyle(document.querySelector('.step')).transitionDuration") == "0s"
