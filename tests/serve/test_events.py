"""Events of a search: what is told while it runs, what a stored result is told as, and their schema."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from typing import Any

import jsonschema
import pytest
from serve.rig import ASKED, GOOD, POOR, calling, events, serving

from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.errors import InputError
from reflectgen.reflector import Reflector
from reflectgen.serve.events import Recorder, schema
from reflectgen.serve.faults import anonymous
from reflectgen.serve.recorded import NOTE, recorded, stored
from reflectgen.types import Result

VALID = jsonschema.Draft202012Validator(schema())
SEARCHES = [
    {"k": 3},
    {"k": 4, "strategy": "beam", "settings": {"expand": 2}},
    {"k": 4, "strategy": "dvts", "settings": {"expand": 2}},
    {"k": 5, "strategy": "mcts"},
    {"k": 4, "strategy": "pruned"},
    {"k": 6, "strategy": "adaptive"},
    {"k": 2, "strategy": "budget", "settings": {"least": 12, "times": 2}},
    {"k": 2, "budget": 20},
    {"k": 2, "answer": "chosen"},
]
SCRIPTS = [
    POOR,
    GOOD,
    Script("One.\n\nNo.\n\nYes.\n\n</think>", reply="\\boxed{6}", logits=(2.0, -2.0, 0.0)),
    Script("Hm.\n\nOh.\n\n", fails_at=3),
]


def search(has_head: bool = True, grade_end: bool = False, **options: Any) -> tuple[Result, list[dict[str, Any]]]:
    """A result, and what was told while it came to be."""
    told: list[dict[str, Any]] = []
    engine = ScriptedEngine(SCRIPTS, has_head=has_head, grade_end=grade_end)
    with Reflector(engine, engine.encode, notes=["a note"]) as model:
        prepared = model.prepare("What is 2 + 2?", **options)
        recorder = Recorder("an-id", prepared, model="scripted", effort="low")
        told.append(recorder.start())
        result = model.solve("What is 2 + 2?", observe=lambda branch: told.extend(recorder.observe(branch)), **options)
        told += recorder.finish(result, result.chosen)
    return result, told


def by_branch(told: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found = defaultdict(list)
    for event in told:
        if event["type"] in ("branch", "step", "end"):
            found[event["branch"]].append(event)
    return found


def check(result: Result, told: list[dict[str, Any]]) -> None:
    """What holds of the events of any search."""
    for event in told:
        VALID.validate(json.loads(json.dumps(event)))
        assert event["id"] == "an-id"
    assert [told[0]["type"], told[-2]["type"], told[-1]["type"]] == ["start", "chosen", "done"]
    times = [event["time"] for event in told[1:-2]]
    assert times == sorted(times)
    lives = by_branch(told)
    assert set(lives) == {one.id for one in result.trajectories}
    for one in result.trajectories:
        begun, *steps, end = lives[one.id]
        assert (begun["type"], begun["parent"], end["type"]) == ("branch", one.parent, "end")
        last = {step["index"]: step for step in steps}
        assert sorted(last) == list(range(begun["steps"], len(one.steps)))
        assert [last[i]["text"] for i in sorted(last)] == [step.text for step in one.steps[begun["steps"] :]]
        assert (end["finish"], end["answer"], end["thinking"]) == (one.finish, one.answer, one.thinking)
        if last:
            assert last[len(one.steps) - 1]["running"] == pytest.approx(one.score)
        if one.parent is not None:
            begins = told.index(begun)
            before = [event for event in told[:begins] if event.get("branch") == one.parent and event["type"] == "step"]
            assert begun["steps"] == 0 or begun["steps"] - 1 <= before[-1]["index"]
    ids = [one.id for one in result.trajectories]
    assert told[-2]["values"] == dict(zip(ids, result.choice.values, strict=True))
    assert told[-1]["cost"] == asdict(result.cost)


@pytest.mark.parametrize("options", SEARCHES)
def test_every_branch_is_told_from_its_beginning_to_its_end(options: dict[str, Any]) -> None:
    check(*search(**options))


@pytest.mark.parametrize("options", SEARCHES)
def test_a_stored_result_is_told_as_it_would_have_been(options: dict[str, Any]) -> None:
    result, told = search(**options)
    again = recorded(stored(json.loads(json.dumps(asdict(result)))), "an-id", model="scripted", effort="low")
    check(result, again)
    assert NOTE in again[-1]["notes"]
    for name, life in by_branch(told).items():
        bare = [{**event, "time": 0} for event in life]
        latest = {(event["type"], event.get("index")): event for event in bare}
        mended = {(event["type"], event.get("index")): {**event, "time": 0} for event in by_branch(again)[name]}
        assert mended == latest


def test_why_a_branch_was_given_up_is_told() -> None:
    _, told = search(k=4, strategy="beam", settings={"expand": 2})
    why = {event["why"] for event in told if event["type"] == "end" and event["finish"] == "cancelled"}
    assert "not among the best 2" in why
    _, told = search(k=4)
    assert "The script fails after 3 tokens." in {event["why"] for event in told if event["type"] == "end"}


def test_a_grade_of_the_end_that_was_undone_is_told_again() -> None:
    options = {"k": 2, "strategy": "budget", "settings": {"least": 16, "times": 1}}
    engine_scripts = [Script("One. Two</think> three. four.\n\n</think>", reply="4", logits=(0.0, 1.0))]
    told: list[dict[str, Any]] = []
    engine = ScriptedEngine(engine_scripts, grade_end=True)
    with Reflector(engine, engine.encode) as model:
        recorder = Recorder("an-id", model.prepare("?", **options), model="", effort="")  # type: ignore[arg-type]
        result = model.solve("?", observe=lambda branch: told.extend(recorder.observe(branch)), **options)  # type: ignore[arg-type]
    first = [event for event in told if event["type"] == "step" and event["branch"] == "0"]
    assert [event["index"] for event in first][:2] == [0, 0]
    assert first[-1]["text"] == result.trajectories[0].steps[-1].text


def test_without_a_head_there_are_no_scores() -> None:
    result, told = search(has_head=False, k=2)
    check(result, told)
    assert {(event["score"], event["running"]) for event in told if event["type"] == "step"} == {(None, None)}


def test_what_is_no_result_is_refused() -> None:
    with pytest.raises(InputError, match="This is no result of a search: answer"):
        stored({"problem": {"text": "?"}})


async def test_a_stream_carries_the_events_of_its_own_search_alone() -> None:
    with serving(SCRIPTS) as served:
        async with calling(served) as client:
            asked = ASKED | {"stream": True, "reflectgen": {"stream_steps": True, "k": 4}}
            text = (await client.post("/v1/chat/completions", json=asked)).text
            kept = await client.get("/v1/events.schema.json")
    told = events(text)
    for event in told:
        VALID.validate(event)
    (id,) = {event["id"] for event in told}
    assert f'"id":"{id}","object":"chat.completion.chunk"' in text
    assert [event["branch"] for event in told if event["type"] == "branch"] == ["0", "1", "2", "3"]
    assert (told[0]["problem"], told[0]["effort"], told[0]["k"]) == ("What is 2 + 2?", "low", 4)
    assert kept.json() == schema()


def test_clients_are_told_no_addresses_of_what_is_behind() -> None:
    said = "http://10.0.0.7:8000/v1 was lost 2 times (it answers no more): see https://a.b/c, or http://[::1]:9."
    told = "(hidden) was lost 2 times (it answers no more): see (hidden), or (hidden)."
    assert anonymous(said) == told
