"""Conversations: what is answered, whole and as a stream, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from serve.rig import ASKED, GOOD, POOR, calling, chunks, fault, serving, told

from reflectgen.engine.scripted import Script, ScriptedEngine

PATH = "/v1/chat/completions"


async def ask(asked: dict[str, Any] | None = None, **service: Any) -> Any:
    """The completion of a chat."""
    with serving(**service) as served:
        async with calling(served) as client:
            answer = await client.post(PATH, json=ASKED | (asked or {}))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def stream(asked: dict[str, Any] | None = None, **service: Any) -> str:
    """The stream of a chat."""
    with serving(**service) as served:
        async with calling(served) as client:
            answer = await client.post(PATH, json=ASKED | {"stream": True} | (asked or {}))
    assert answer.headers["content-type"].startswith("text/event-stream")
    return answer.text


async def refused(asked: dict[str, Any], **service: Any) -> tuple[int, str, str | None]:
    with serving(**service) as served:
        async with calling(served) as client:
            return fault(await client.post(PATH, json=ASKED | asked))


async def test_the_best_thinking_answers() -> None:
    told = await ask()
    assert (told["object"], told["model"], told["id"][:9]) == ("chat.completion", "scripted", "chatcmpl-")
    (choice,) = told["choices"]
    assert choice["message"]["content"] == "So \\boxed{4}"
    assert choice["message"]["reasoning_content"] == choice["message"]["reasoning"] == "Two and two.\n\nThat is 4.\n\n"
    assert (choice["message"]["role"], choice["finish_reason"], choice["logprobs"]) == ("assistant", "stop", None)
    assert told["reflectgen"]["notes"] == ["a note"]


async def test_usage_counts_every_branch() -> None:
    told = await ask()
    engine = ScriptedEngine([POOR, GOOD])
    thinking, reply = (len(engine.encode(text)) for text in (GOOD.text, GOOD.reply))
    answer = reply + 1  # the end of the text
    assert told["usage"] == {
        "prompt_tokens": len(engine.encode("What is 2 + 2?")),
        "completion_tokens": 2 * (thinking + answer),
        "total_tokens": len(engine.encode("What is 2 + 2?")) + 2 * (thinking + answer),
        "completion_tokens_details": {"reasoning_tokens": 2 * thinking + answer},
    }
    assert told["usage"]["completion_tokens"] == told["reflectgen"]["cost"]["tokens_generated"]


@pytest.mark.parametrize(
    ("effort", "k"), [("none", 1), ("minimal", 1), ("low", 2), ("medium", 8), ("high", 32), ("xhigh", 64), (None, 2)]
)
async def test_efforts(effort: str | None, k: int) -> None:
    assert (await ask({"reasoning_effort": effort}))["reflectgen"]["k"] == k


async def test_the_effort_auto_stops_where_the_answer_is_settled() -> None:
    told = await ask({"reasoning_effort": "auto"}, scripts=[GOOD])
    assert told["reflectgen"]["strategy"] == "adaptive"
    assert told["usage"]["completion_tokens"] < 32 * 15


async def test_the_extension_says_how_to_search() -> None:
    told = await ask({"reflectgen": {"strategy": "beam", "k": 4, "settings": {"expand": 2}, "select": "logprob"}})
    assert (told["reflectgen"]["strategy"], told["reflectgen"]["k"], told["reflectgen"]["select"]) == ("beam", 4, "logprob")


async def test_n_answers_are_the_best_distinct_ones_first() -> None:
    told = await ask({"n": 3, "reasoning_effort": "none"}, scripts=[POOR, GOOD, GOOD])
    assert told["reflectgen"]["k"] == 3
    assert [choice["message"]["content"] for choice in told["choices"]] == ["So \\boxed{4}", "So \\boxed{5}", "So \\boxed{4}"]
    assert [choice["index"] for choice in told["choices"]] == [0, 1, 2]


@pytest.mark.parametrize(("select", "answer"), [("majority", "5"), ("sprm", "4")])
async def test_the_chosen_answer_is_told_first_though_a_twin_of_it_is_worth_least(select: str, answer: str) -> None:
    told = await ask({"reflectgen": {"k": 3, "select": select}}, scripts=[POOR, GOOD, POOR])
    assert told["reflectgen"]["answer"] == answer
    assert told["choices"][0]["message"]["content"] == f"So \\boxed{{{answer}}}"


async def test_a_budget_is_for_all_branches_together() -> None:
    for field in ("max_completion_tokens", "max_tokens"):
        told = await ask({field: 20})
        assert told["usage"]["completion_tokens"] == 20
        assert told["choices"][0]["finish_reason"] == "length"
    assert (await ask({"max_tokens": 30, "reflectgen": {"budget": 10}}))["usage"]["completion_tokens"] == 10


async def test_fewer_tokens_than_thinkings_make_fewer_thinkings() -> None:
    told = await ask({"max_completion_tokens": 3, "reasoning_effort": "medium"})
    assert (told["reflectgen"]["k"], told["usage"]["completion_tokens"]) == (3, 3)
    assert await refused({"max_completion_tokens": 3, "reflectgen": {"k": 8}}) == (400, "invalid_value", None)


async def test_at_temperature_0_one_thinking_is_as_good_as_many() -> None:
    assert (await ask({"temperature": 0}))["reflectgen"]["k"] == 1
    assert (await ask({"temperature": 0, "reflectgen": {"k": 2}}))["reflectgen"]["k"] == 2


async def test_a_seed_is_kept_and_one_that_is_not_given_is_drawn_and_told() -> None:
    assert (await ask({"seed": -7}))["reflectgen"]["seed"] == -7
    drawn = {(await ask())["reflectgen"]["seed"] for _ in range(3)}
    assert len(drawn) == 3


@pytest.mark.parametrize(("stop", "content"), [("{", "So \\boxed"), (["}", " \\b"], "So"), ("S", ""), ("?", "So \\boxed{4}")])
async def test_the_answer_ends_at_a_stop_sequence(stop: Any, content: str) -> None:
    (choice,) = (await ask({"stop": stop, "logprobs": True}))["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (content, "stop")
    assert "".join(token["token"] for token in choice["logprobs"]["content"]).startswith(content)


async def test_logprobs_are_those_of_the_answers_tokens() -> None:
    tokens = (await ask({"logprobs": True}))["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == "So \\boxed{4}"
    assert {token["logprob"] for token in tokens} == {-0.5}
    assert bytes(tokens[0]["bytes"]) == b"So"


async def test_part_of_a_character_has_no_bytes() -> None:
    engine = ScriptedEngine([Script("Hm.\n\n</think>", reply="ok")])
    engine.scripts = {"": [Script("Hm.\n\n</think>", reply="é")]}  # not in the vocabulary: spelled in bytes
    tokens = (await ask({"logprobs": True}, engine=engine))["choices"][0]["logprobs"]["content"]
    assert [token["bytes"] for token in tokens] == [None, None]


async def test_a_model_without_tags_has_its_thinking_in_the_answer() -> None:
    engine = ScriptedEngine([Script("Two.\n\nSo \\boxed{4}")], tags=None)
    told = await ask(engine=engine)
    assert told["choices"][0]["message"]["content"] == "Two.\n\nSo \\boxed{4}"
    assert "reasoning_content" not in told["choices"][0]["message"]
    assert told["usage"]["completion_tokens_details"]["reasoning_tokens"] == told["usage"]["completion_tokens"] / 2


async def test_the_whole_conversation_is_the_prompt() -> None:
    engine = ScriptedEngine({"Be brief.\n\nThree?\n\nFour.\n\nTwo?": [GOOD], "": [POOR]})
    talk = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Thr"}, {"type": "text", "text": "ee?"}]},
        {"role": "assistant", "content": "Four.", "reasoning_content": "Hm.", "refusal": None, "tool_calls": None},
        {"role": "user", "content": "Two?", "name": "Ann", "type": "text"},
    ]
    assert (await ask({"messages": talk}, engine=engine))["choices"][0]["message"]["content"] == "So \\boxed{4}"


async def test_where_no_answer_can_be_compared_the_best_thinking_is_told() -> None:
    scripts = [
        Script("Hm.\n\n</think>", reply="maybe", logits=(0.0,)),
        Script("Hm.\n\n</think>", reply="surely", logits=(2.0,)),
    ]
    told = await ask({"reflectgen": {"select": "majority"}}, scripts=scripts)
    assert told["choices"][0]["message"]["content"] == "surely"
    assert told["reflectgen"]["answer"] is None


async def test_fields_that_ask_for_nothing_are_taken() -> None:
    nothing = {
        "tools": [],
        "tool_choice": "none",
        "response_format": {"type": "text"},
        "logit_bias": {},
        "frequency_penalty": 0.0,
    }
    labels = {"user": "u", "metadata": {"a": "b"}, "safety_identifier": "s", "prompt_cache_key": "c", "top_logprobs": None}
    assert (await ask(nothing | labels))["choices"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"model": "gpt"}, (404, "model_not_found", "model")),
        ({"tools": [{"type": "function"}]}, (400, "unsupported_parameter", "tools")),
        ({"response_format": {"type": "json_schema"}}, (400, "unsupported_parameter", "response_format")),
        ({"logit_bias": {"50256": -100}}, (400, "unsupported_parameter", "logit_bias")),
        ({"top_logprobs": 3}, (400, "unsupported_parameter", "top_logprobs")),
        ({"audio": {"voice": "a"}}, (400, "unsupported_parameter", "audio")),
        ({"frequency_penalty": 0.5}, (400, "unsupported_parameter", "frequency_penalty")),
        ({"tempratur": 1}, (400, "unknown_parameter", "tempratur")),
        ({"reflectgen": {"kk": 1}}, (400, "unknown_parameter", "kk")),
        ({"temperature": 3}, (400, "invalid_value", "temperature")),
        ({"temperature": "hot"}, (400, "invalid_value", "temperature")),
        ({"top_p": 0}, (400, "invalid_value", "top_p")),
        ({"n": 0}, (400, "invalid_value", "n")),
        ({"n": 17}, (400, "invalid_value", "n")),
        ({"n": 3, "reflectgen": {"k": 2}}, (400, "invalid_value", "n")),
        ({"reflectgen": {"k": 65}}, (400, "invalid_value", "reflectgen.k")),
        ({"max_tokens": 0}, (400, "invalid_value", "max_tokens")),
        ({"reasoning_effort": "huge"}, (400, "invalid_value", "reasoning_effort")),
        ({"reflectgen": {"strategy": "beem"}}, (400, "invalid_value", None)),
        ({"reflectgen": {"strategy": "os:system"}}, (400, "invalid_value", None)),
        ({"reflectgen": {"select": "os:system"}}, (400, "invalid_value", None)),
        ({"reflectgen": {"strategy": "beam", "settings": {"expnd": 2}}}, (400, "invalid_value", None)),
        ({"seed": 2**64}, (400, "invalid_value", "seed")),
        ({"messages": []}, (400, "invalid_value", "messages")),
        ({"messages": [{"role": "user", "content": ""}]}, (400, "invalid_prompt", None)),
        ({"messages": [{"role": "tool", "content": "4"}]}, (400, "invalid_value", "messages.0.role")),
        ({"messages": [{"role": "user", "content": "?", "type": "image"}]}, (400, "invalid_value", "messages.0.type")),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, (400, "unsupported_parameter", "content")),
        ({"messages": [{"role": "user", "content": "a " * 5000}]}, (400, "context_length_exceeded", None)),
    ],
)
async def test_what_is_wrong_is_refused_by_name(asked: dict[str, Any], expected: tuple[int, str, str | None]) -> None:
    assert await refused(asked) == expected


async def test_limits_of_the_service() -> None:
    many = [{"role": "user", "content": "a"}] * 4
    assert await refused({"messages": many}, messages=3) == (400, "invalid_value", "messages")
    assert await refused({"messages": many}, characters=3) == (400, "invalid_value", "messages")
    assert await refused({"max_tokens": 21}, tokens=20) == (400, "invalid_value", "max_completion_tokens")
    assert (await ask({}, tokens=20))["usage"]["completion_tokens"] == 20


async def test_an_engine_that_fails_is_told_without_its_reasons() -> None:
    with serving([Script("Two.\n\n</think>", fails_at=1)]) as served:
        async with calling(served) as client:
            answer = await client.post(PATH, json=ASKED)
    assert fault(answer)[:2] == (500, "internal_error")
    assert "script" not in answer.text


async def test_a_stream_tells_the_role_the_thinking_the_answer_and_the_end() -> None:
    text = await stream()
    first, *_, last = chunks(text)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert told(text, "reasoning_content") == told(text, "reasoning") == "Two and two.\n\nThat is 4.\n\n"
    assert told(text, "content") == "So \\boxed{4}"
    assert last["choices"][0]["finish_reason"] == "stop"
    assert {(chunk["id"], chunk["object"], chunk["model"]) for chunk in chunks(text)} == {
        (first["id"], "chat.completion.chunk", "scripted")
    }
    assert not any("usage" in chunk or "reflectgen" in chunk for chunk in chunks(text))


async def test_a_stream_is_the_whole_answer_in_pieces() -> None:
    asked = {"seed": 3, "n": 2, "logprobs": True, "stop": "}"}
    whole, text = await ask(asked), await stream(asked)
    for choice in whole["choices"]:
        assert told(text, "content", choice["index"]) == choice["message"]["content"]
        assert told(text, "reasoning", choice["index"]) == choice["message"]["reasoning"]
    logprobs = [choice["logprobs"] for chunk in chunks(text) for choice in chunk["choices"] if choice.get("logprobs")]
    assert logprobs == [choice["logprobs"] for choice in whole["choices"]]


async def test_usage_comes_last_where_it_is_asked_for() -> None:
    text = await stream({"stream_options": {"include_usage": True}})
    last = chunks(text)[-1]
    assert (last["choices"], last["usage"]) == ([], (await ask())["usage"])


async def test_a_silence_is_filled_with_comments() -> None:
    text = await stream(slow=True, keep_alive=0.02)
    assert text.count(": keep-alive\n\n") >= 3
    assert told(text, "content") == "So \\boxed{4}"
    assert ": keep-alive" not in await stream()


async def test_a_single_thinking_is_told_while_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reflectgen.serve.mailbox.PAUSE", 0)
    text = await stream({"reasoning_effort": "none"}, scripts=[GOOD], slow=True, keep_alive=0.025)
    assert told(text, "reasoning_content") == "Two and two.\n\nThat is 4.\n\n"
    assert text.rindex("reasoning_content") < text.rindex(": keep-alive") < text.index("So")


@pytest.mark.parametrize("scripts", [[Script("No step here</think>", reply="4")], [Script("A.\n\nrest<eos>", reply="4")]])
async def test_a_single_thinking_is_told_to_its_end(scripts: list[Script]) -> None:
    whole, text = (
        (await ask({"reasoning_effort": "none"}, scripts=scripts)),
        await stream({"reasoning_effort": "none"}, scripts=scripts),
    )
    assert told(text, "reasoning") == whole["choices"][0]["message"]["reasoning"]
    assert told(text, "content") == "4"


async def test_what_is_wrong_is_told_before_a_stream_begins() -> None:
    with serving() as served:
        async with calling(served) as client:
            answer = await client.post(PATH, json=ASKED | {"stream": True, "reflectgen": {"k": 65}})
    assert fault(answer) == (400, "invalid_value", "reflectgen.k")


async def test_a_stream_that_fails_ends_with_an_error() -> None:
    with serving([Script("Two.\n\n</think>", fails_at=1)]) as served:
        async with calling(served) as client:
            answer = await client.post(PATH, json=ASKED | {"stream": True})
    *_, last = [line for line in answer.text.split("\n\n") if line]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "internal_error"
