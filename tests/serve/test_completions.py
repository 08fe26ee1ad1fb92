"""Prompts as they stand."""

from __future__ import annotations

from typing import Any

import pytest
from serve.rig import GOOD, POOR, calling, chunks, fault, serving

from reflectgen.engine.scripted import Script, ScriptedEngine

PATH = "/v1/completions"
ASKED = {"model": "scripted", "prompt": "What is 2 + 2?"}
WHOLE = "Two and two.\n\nThat is 4.\n\n</think>So \\boxed{4}"


async def post(asked: dict[str, Any] | None = None, **service: Any) -> Any:
    with serving(**service) as served:
        async with calling(served) as client:
            return await client.post(PATH, json=ASKED | (asked or {}))


async def test_everything_that_the_chosen_branch_wrote_is_the_text() -> None:
    told = (await post()).json()
    (choice,) = told["choices"]
    assert (told["object"], told["id"][:5]) == ("text_completion", "cmpl-")
    assert (choice["text"], choice["finish_reason"], choice["logprobs"]) == (WHOLE, "stop", None)
    assert told["usage"]["completion_tokens"] == 34
    assert told["usage"]["completion_tokens_details"]["reasoning_tokens"] == 17


async def test_the_prompt_is_taken_as_it_stands() -> None:
    engine = ScriptedEngine({"<think>Hm": [GOOD], "": [POOR]})
    told = (await post({"prompt": ["  <think>Hm"]}, engine=engine)).json()
    assert told["choices"][0]["text"] == WHOLE
    assert told["usage"]["prompt_tokens"] == len(engine.encode("  <think>Hm"))


async def test_a_tag_that_was_forced_was_not_drawn() -> None:
    told = (await post({"reasoning_effort": "none"}, scripts=[Script("Two.\n\n", reply="4")])).json()
    assert told["choices"][0]["text"] == "Two.\n\n</think>4"
    # the end of text that the closing tag took the place of was drawn too
    assert told["usage"]["completion_tokens"] == told["usage"]["completion_tokens_details"]["reasoning_tokens"] + 4


async def test_best_of_is_the_number_of_thinkings() -> None:
    told = (await post({"best_of": 3, "n": 2})).json()
    assert (told["reflectgen"]["k"], len(told["choices"])) == (3, 2)
    assert fault(await post({"best_of": 1, "n": 2})) == (400, "invalid_value", "n")


async def test_logprobs_and_stop() -> None:
    logprobs = (await post({"logprobs": 0, "stop": " 4"})).json()["choices"][0]["logprobs"]
    text = "Two and two.\n\nThat is"
    assert "".join(logprobs["tokens"]) == text
    assert [text[at : at + 3] for at in logprobs["text_offset"]] == [
        (token + text[at + len(token) :])[:3] for token, at in zip(logprobs["tokens"], logprobs["text_offset"], strict=True)
    ]
    assert len(logprobs["token_logprobs"]) == len(logprobs["tokens"])


async def test_all_stop_sequences_of_a_harness_are_taken() -> None:
    told = (await post({"stop": ["\nclass", "\ndef", "\n#", "\nif", "\nprint", " 4"]})).json()
    assert told["choices"][0]["text"] == "Two and two.\n\nThat is"
    assert fault(await post({"stop": ["x"] * 17})) == (400, "invalid_value", "stop")


async def test_a_stream() -> None:
    text = (await post({"stream": True, "stream_options": {"include_usage": True}, "reflectgen": {"stream_steps": True}})).text
    *events, told, usage = chunks(text)
    assert [event["reflectgen"]["type"] for event in events][:3] == ["start", "branch", "branch"]
    assert (told["choices"][0]["text"], usage["usage"]["completion_tokens"]) == (WHOLE, 34)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"echo": True}, (400, "unsupported_parameter", "echo")),
        ({"suffix": "x"}, (400, "unsupported_parameter", "suffix")),
        ({"prompt": ["a", "b"]}, (400, "invalid_value", "prompt")),
        ({"prompt": [1, 2]}, (400, "invalid_value", "prompt")),
        ({"prompt": ""}, (400, "invalid_prompt", None)),
        ({"logprobs": 5}, (400, "invalid_value", "logprobs")),
        ({"messages": []}, (400, "unknown_parameter", "messages")),
    ],
)
async def test_what_is_wrong(asked: dict[str, Any], expected: tuple[int, str, str]) -> None:
    assert fault(await post(asked)) == expected
