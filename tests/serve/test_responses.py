"""Responses: the same search in OpenAI's newer shape, read by the official client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from serve.rig import GOOD, POOR, calling, fault, listening, serving

from reflectgen.engine.scripted import ScriptedEngine

openai = pytest.importorskip("openai")
PATH = "/v1/responses"
ASKED = {"model": "scripted", "input": "What is 2 + 2?"}
THINKING = "Two and two.\n\nThat is 4.\n\n"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with serving() as service, listening(service) as (_, url), openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        yield client


async def post(asked: dict[str, Any] | None = None, **service: Any) -> Any:
    with serving(**service) as served:
        async with calling(served) as client:
            return await client.post(PATH, json=ASKED | (asked or {}))


def test_a_response(client: Any) -> None:
    told = client.responses.create(**ASKED, reasoning={"effort": "medium"}, metadata={"a": "b"}, temperature=0.5)
    assert (told.output_text, told.status, told.error) == ("So \\boxed{4}", "completed", None)
    thought, said = told.output
    assert (thought.type, thought.content[0].text, said.role) == ("reasoning", THINKING, "assistant")
    assert (told.metadata, told.temperature, told.reasoning.effort) == ({"a": "b"}, 0.5, "medium")
    assert told.usage.output_tokens == 8 * 17 == told.usage.output_tokens_details.reasoning_tokens + 8


def test_a_stream_of_events(client: Any) -> None:
    events = list(client.responses.create(**ASKED, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type.removeprefix("response.") for event in events]
    assert list(dict.fromkeys(kinds)) == [
        "created", "in_progress", "output_item.added", "reasoning_text.delta", "reasoning_text.done", "output_item.done",
        "content_part.added", "output_text.delta", "output_text.done", "content_part.done", "completed",
    ]  # fmt: skip
    assert "".join(event.delta for event in events if event.type == "response.reasoning_text.delta") == THINKING
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "So \\boxed{4}"
    assert events[-1].response.output_text == "So \\boxed{4}"


def test_the_clients_helper_puts_a_stream_together(client: Any) -> None:
    with client.responses.stream(**ASKED) as stream:
        assert stream.get_final_response().output_text == "So \\boxed{4}"


def test_a_response_may_be_handed_back(client: Any) -> None:
    first = client.responses.create(**ASKED)
    talk = [{"role": "user", "content": "What is 2 + 2?"}, *first.output, {"role": "user", "content": "Sure?"}]
    again = client.responses.create(model="scripted", input=talk, instructions="Be brief.")
    assert again.output_text == "So \\boxed{4}"
    whole = "Be brief.\n\nWhat is 2 + 2?\n\nSo \\boxed{4}\n\nSure?"
    assert again.usage.input_tokens == len(ScriptedEngine([POOR, GOOD]).encode(whole))


async def test_a_single_thinking_is_told_while_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reflectgen.serve.mailbox.PAUSE", 0)
    asked = {"stream": True, "reasoning": {"effort": "none"}}
    text = (await post(asked, scripts=[GOOD], slow=True, keep_alive=0.025)).text
    assert text.rindex("reasoning_text.delta") < text.rindex(": keep-alive") < text.index("reasoning_text.done")
    deltas = [
        json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ") and "reasoning_text.delta" in line
    ]
    assert [delta["delta"] for delta in deltas] == ["Two and two.\n\n", "That is 4.\n\n"]
    assert text.count("response.output_item.added") == 4  # two items, each in the event's name and in its data


async def test_what_is_cut_is_incomplete() -> None:
    told = (await post({"max_output_tokens": 10})).json()
    assert (told["status"], told["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    text = (await post({"max_output_tokens": 10, "stream": True})).text
    assert text.rstrip().splitlines()[-2] == "event: response.incomplete"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"tools": [{"type": "web_search"}]}, (400, "unsupported_parameter", "tools")),
        ({"previous_response_id": "resp_1"}, (400, "unsupported_parameter", "previous_response_id")),
        ({"text": {"format": {"type": "json_schema"}}}, (400, "unsupported_parameter", "text")),
        ({"reasoning": {"summary": "auto"}}, (400, "unsupported_parameter", "summary")),
        ({"reflectgen": {"stream_steps": True}}, (400, "unsupported_parameter", "reflectgen.stream_steps")),
        ({"input": [{"type": "function_call_output", "output": "4"}]}, (400, "unsupported_parameter", "input")),
        ({"input": [{"type": 3}]}, (400, "unsupported_parameter", "input")),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, (400, "unsupported_parameter", "content")),
        ({"input": [{"type": "reasoning"}]}, (400, "invalid_prompt", None)),
        ({"input": []}, (400, "invalid_value", "input")),
        ({"input": ""}, (400, "invalid_prompt", None)),
    ],
)
async def test_what_is_wrong(asked: dict[str, Any], expected: tuple[int, str, str]) -> None:
    assert fault(await post(asked)) == expected
