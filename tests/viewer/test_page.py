"""The viewer in a browser: asking, what is seen of a run, and working it by keyboard."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from viewer.driven import ask, expect, open_trace, recorded, table, trace
from viewer.fake_server import FakeServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_a_question_at_medium_effort_shows_eight_branches_some_pruned_and_the_chosen_answer(
    page: Page, server: FakeServer
) -> None:
    expect(page.locator("#model")).to_have_text("tiny")
    expect(page.locator("#empty li")).to_have_count(3)
    events = recorded("pruned")
    ask(page, server, events)
    assert page.locator(".row").count() == 8
    pruned = {event["branch"]: event["why"] for event in events if event.get("finish") == "cancelled"}
    told = page.locator(".row.pruned").all()
    assert len(told) == len(pruned) > 0
    for row in told:
        name = row.locator(".name").inner_text()
        assert row.locator(".status").inner_text() == f"pruned {pruned[name]}"
    chosen = next(event for event in events if event["type"] == "chosen")
    assert page.locator("#answer").inner_text() == chosen["answer"] == "49"
    assert page.locator(".row.chosen .status").inner_text() == "49 chosen"
    assert page.locator("#facts").inner_text().replace("\n", " ").startswith("strategy pruned selector sprm effort medium")
    assert page.title() == "tiny · reflectgen"


def test_the_question_goes_out_as_the_form_says_and_the_key_with_it(page: Page, server: FakeServer) -> None:
    page.select_option("[name=effort]", "xhigh")
    page.select_option("[name=strategy]", "dvts")
    page.select_option("[name=select]", "weighted")
    page.fill("[name=seed]", "7")
    page.fill("#key", "secret")
    ask(page, server, recorded("pruned"))
    assert server.questions == [
        {
            "model": "tiny",
            "messages": [{"role": "user", "content": recorded("pruned")[0]["problem"]}],
            "reasoning_effort": "xhigh",
            "stream": True,
            "seed": 7,
            "reflectgen": {"stream_steps": True, "strategy": "dvts", "select": "weighted"},
        }
    ]
    assert server.keys == ["Bearer secret"]
    assert page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])").count("secret") == 0


def test_an_example_is_asked_by_a_click_and_defaults_are_left_to_the_server(page: Page, server: FakeServer) -> None:
    server.events = recorded("best_of_n")
    page.select_option("[name=strategy]", "")
    page.locator("#examples button").first.click()
    expect(page.locator("#answer")).to_have_text("21")
    assert server.questions[0]["reflectgen"] == {"stream_steps": True}
    assert server.questions[0]["messages"][0]["content"].startswith("Mia has 33 pens.")


def test_each_step_shows_its_score_logprob_and_confidence_under_the_pointer(page: Page, server: FakeServer) -> None:
    events = recorded("best_of_n")
    ask(page, server, events)
    page.locator(".row").nth(1).locator(".step").nth(2).hover()
    step = next(event for event in events if event["type"] == "step" and event["branch"] == "1" and event["index"] == 2)
    readout = page.locator("#readout").inner_text().replace("\u2212", "-")
    for name, digits, field in (("score", 2, "score"), ("log-prob", 3, "logprob"), ("confidence", 2, "confidence")):
        assert f"{name} {step[field]:.{digits}f}" in readout
    assert step["text"].strip() in readout


def test_steps_are_reached_and_read_by_keyboard_alone(page: Page, server: FakeServer) -> None:
    ask(page, server, recorded("best_of_n"))
    page.focus("#share")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.get_attribute("aria-label") == "Thinking 0"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert focused.get_attribute("aria-label") == "Step 2, score 0.81, log-prob \u22120.054, confidence 12.50"
    assert "Thinking 1, step 2" in page.locator("#readout").inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator("#reader-title").inner_text() == "Thinking 2"
    page.keyboard.press("Home")
    assert focused.get_attribute("aria-label") == "Thinking 2"
    page.keyboard.press("End")
    assert focused.get_attribute("data-column") == "status"
    assert page.locator("[role=treegrid] [tabindex='0']").count() == 1


def test_the_chosen_thinking_is_read_in_full_until_another_is_picked(page: Page, server: FakeServer) -> None:
    events = recorded("best_of_n")
    ask(page, server, events)
    steps = [event for event in events if event["type"] == "step" and event["branch"] == "1"]
    shown = page.locator("#reader-steps li")
    assert [item.locator("p").first.inner_text() for item in shown.all()] == [step["text"].strip() for step in steps]
    assert [item.locator(".grade").inner_text() for item in shown.all()] == [f"{step['score']:.2f}" for step in steps]
    assert "The answer is \\boxed{21}." in page.locator("#reader-rest").inner_text()
    page.locator(".row").nth(4).locator(".status").click()
    assert page.locator("#reader-title").inner_text() == "Thinking 4"
    assert page.locator(".row[aria-selected=true] .name").inner_text() == "4"


def test_the_running_score_is_drawn_as_a_line(page: Page, server: FakeServer) -> None:
    events = recorded("best_of_n")
    ask(page, server, events)
    running = [event["running"] for event in events if event["type"] == "step" and event["branch"] == "4"]
    points = page.locator(".row").nth(4).locator(".spark .line").get_attribute("d")
    assert points is not None
    heights = [float(point.split()[1]) for point in points.removeprefix("M").split("L")]
    assert heights == pytest.approx([1 - score for score in running], abs=1e-3)


def test_votes_and_selectors_are_set_side_by_side(page: Page, server: FakeServer) -> None:
    events = recorded("best_of_n")
    ask(page, server, events)
    ends = [event for event in events if event["type"] == "end"]
    weights: dict[str, float] = {}
    for end in ends:
        weights[end["answer"]] = weights.get(end["answer"], 0) + end["score"]
    shown = {row[0]: (row[2], int(row[3])) for row in table(page, "ballots")}
    assert shown == {
        answer: (f"{weight:.2f}", sum(end["answer"] == answer for end in ends)) for answer, weight in weights.items()
    }
    choices = {row[0]: row[1:3] for row in table(page, "choices")}
    assert choices["sprm this run"] == ["21", "1"]
    assert choices["majority"][0] == "37" and choices["weighted"][0] == "21"
    assert set(choices) == {"sprm this run", "majority", "weighted", "logprob", "confidence", "shortest"}


def test_forks_stand_below_their_parents_and_begin_where_they_left_them(page: Page, server: FakeServer) -> None:
    events = recorded("beam")
    ask(page, server, events)
    rows = page.locator(".row")
    names = [row.get_attribute("data-branch") for row in rows.all()]
    parents = {event["branch"]: (event["parent"], event["steps"]) for event in events if event["type"] == "branch"}
    assert len(names) == len(parents) and set(names) == set(parents)
    for index, name in enumerate(names):
        assert name is not None
        parent, inherited = parents[name]
        level = 1 + name.count(".")
        assert rows.nth(index).get_attribute("aria-level") == str(level)
        if parent is None:
            continue
        between = names[names.index(parent) + 1 : index]
        assert all(str(other).startswith(f"{parent}.") for other in between)
        first = rows.nth(index).locator(".step").first
        if first.count():
            assert first.get_attribute("data-column") == str(inherited)


def test_votes_form_while_thinkings_end_and_cells_are_only_added(page: Page, server: FakeServer) -> None:
    server.events, server.gate = recorded("best_of_n"), threading.Event()
    page.fill("#problem", "?")
    page.click("#send")
    expect(page.locator("#send")).to_have_text("Stop")
    expect(page.locator("#ballots tr")).to_have_count(4)
    assert page.locator("#answer").inner_text() == "…"
    first = page.locator(".step").first.element_handle()
    server.gate.set()
    expect(page.locator("#answer")).to_have_text("21")
    assert first.evaluate("(cell) => cell.isConnected")


def test_stop_ends_the_request_and_keeps_what_had_come(page: Page, server: FakeServer) -> None:
    server.events, server.pause = recorded("best_of_n") * 40, 0.02
    page.fill("#problem", "?")
    page.click("#send")
    expect(page.locator(".step").first).to_be_visible()
    page.click("#send")
    expect(page.locator("#trouble")).to_have_text("Stopped. What had come by then is shown.")
    assert page.locator(".step").count() > 0
    assert server.cut_off.wait(5)


def test_what_the_server_refuses_is_told_in_its_words(page: Page, server: FakeServer) -> None:
    server.refusal = "The prompt is empty: write a question."
    page.fill("#problem", "?")
    page.click("#send")
    expect(page.locator("#trouble")).to_have_text(server.refusal)
    expect(page.locator("#send")).to_have_text("Ask")


def test_a_server_without_steps_is_told_apart(page: Page, server: FakeServer) -> None:
    page.fill("#problem", "?")
    page.click("#send")
    expect(page.locator("#trouble")).to_contain_text("told of no steps")


def test_several_models_can_be_chosen_from(page: Page, server: FakeServer) -> None:
    server.models = ("small", "large")
    page.reload()
    page.select_option("[name=model]", "large")
    expect(page.locator("#model")).to_have_text("large")
    ask(page, server, recorded("pruned"))
    assert server.questions[0]["model"] == "large"


def test_light_and_dark_switch_and_are_remembered(page: Page) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Switch to dark").click()
    dark = page.evaluate(paper)
    assert dark != light
    page.reload()
    assert page.evaluate(paper) == dark
    page.get_by_role("button", name="Switch to light").click()
    assert page.evaluate(paper) == light


def test_the_scale_is_even_and_told_apart_without_colour(page: Page) -> None:
    colours = page.evaluate(
        "[...document.querySelectorAll('#swatches .swatch')].map((swatch) => getComputedStyle(swatch).backgroundColor)"
    )
    points = [[float(part) for part in colour.removeprefix("oklab(").removesuffix(")").split()] for colour in colours]
    distances = [sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) ** 0.5 for p, q in pairwise(points)]
    assert len(points) == 11 and max(distances) - min(distances) < 1e-3
    lightness = [point[0] for point in points]
    assert lightness == sorted(lightness, reverse=True) and lightness[0] - lightness[-1] > 0.3


@pytest.mark.parametrize("context", [{"viewport": {"width": 360, "height": 740}, "has_touch": True}], indirect=True)
def test_a_phone_shows_all_of_it_without_scrolling_sideways(page: Page, server: FakeServer) -> None:
    for name in ("pruned", "beam"):
        ask(page, server, recorded(name))
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.locator(".row").first.tap()
        assert page.locator("#reader-title").inner_text() == "Thinking 0"


def test_a_step_that_is_graded_anew_takes_the_place_of_the_earlier_one(page: Page) -> None:
    events = recorded("best_of_n")
    step = next(event for event in events if event["type"] == "step" and event["branch"] == "1" and event["index"] == 2)
    open_trace(page, trace([*events, {**step, "score": 0.125, "text": "Anew."}]))
    row = page.locator(".row").nth(1)
    assert row.locator(".step").count() == 4
    assert row.locator(".step").nth(2).inner_text() == ".13"
    assert page.locator("#reader-steps li").nth(2).locator("p").first.inner_text() == "Anew."


def test_what_a_thinking_has_beyond_its_steps_is_shown_as_not_graded(page: Page) -> None:
    events = [dict(event) for event in recorded("best_of_n")]
    for event in events:
        if event["type"] == "end":
            event["thinking"] += "And so on"
    open_trace(page, trace(events))
    assert page.locator("#reader-rest").inner_text().split()[:5] == ["Not", "graded", "And", "so", "on"]


def test_a_long_answer_is_cut_where_it_is_mentioned_and_whole_where_it_is_read(page: Page) -> None:
    long = "def answer():\n    return 42\n" * 40
    events = [{**event, **({"answer": long, "reply": long} if "answer" in event else {})} for event in recorded("best_of_n")]
    open_trace(page, trace(events))
    for place in ("#answer", "#ballots th >> nth=0", "#choices td >> nth=0"):
        assert (page.locator(place).bounding_box() or {"height": 999})["height"] < 160
    assert page.locator("#reader-rest").inner_text().count("return 42") == 40
    assert page.evaluate("document.documentElement.scrollWidth") == 1280


def test_a_model_without_a_head_is_shown_without_scores(page: Page) -> None:
    events = [{**event, **dict.fromkeys(("score", "running") if "score" in event else ())} for event in recorded("best_of_n")]
    open_trace(page, trace(events))
    assert page.locator(".step.graded").count() == 0 and page.locator(".step").count() > 0
    assert page.locator("#votes-rule").inner_text() == "Weighted by the number of thinkings"
    assert {row[0] for row in table(page, "choices")} == {"sprm this run", "majority", "logprob", "confidence", "shortest"}
