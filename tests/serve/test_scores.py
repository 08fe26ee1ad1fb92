"""Scores of given texts, on our route and in vLLM's shapes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from serve.rig import GOOD, POOR, calling, fault, serving

from reflectgen.engine.scripted import ScriptedEngine
from reflectgen.types import Step

PROMPT = "What is 2 + 2?<think>"
RIGHT, WRONG = ("Two and two.\n\nThat is 4.\n\n</think>", "Two and two.\n\nThat is 5.\n\n</think>")
SCORES = pytest.approx([0.8024426, 0.4434094], abs=1e-6)
"""sqrt(sigmoid(1) * sigmoid(2)) and sqrt(sigmoid(1) * sigmoid(-1))"""


async def post(path: str, asked: dict[str, Any], **service: Any) -> Any:
    with serving(**service) as served:
        async with calling(served) as client:
            return await client.post(path, json=asked)


async def test_a_completion_and_all_its_steps() -> None:
    asked = {"model": "scripted", "prompt": PROMPT, "completion": RIGHT}
    told = (await post("/v1/score", asked)).json()
    (one,) = told["data"]
    assert [one["score"]] == pytest.approx([0.8024426], abs=1e-6)
    assert [step["text"] for step in one["steps"]] == ["Two and two.\n\n", "That is 4.\n\n"]
    engine = ScriptedEngine([POOR, GOOD])
    ids = engine.encode(PROMPT + RIGHT)
    ends = [position + 1 for position in (step["position"] for step in one["steps"])]  # the state before the step token is read
    assert [engine.tokenizer.decode([ids[end]]) for end in ends] == [".\n\n", ".\n\n"]
    assert told["usage"] == {"prompt_tokens": len(ids), "total_tokens": len(ids)}


async def test_many_completions_in_their_order() -> None:
    asked = {"model": "scripted", "input": [{"prompt": PROMPT, "completion": text} for text in (RIGHT, WRONG)]}
    told = (await post("/v1/score", asked)).json()
    assert [one["score"] for one in told["data"]] == SCORES
    assert [one["index"] for one in told["data"]] == [0, 1]


@pytest.mark.parametrize("model", [{"model": "scripted"}, {}])
@pytest.mark.parametrize("first", [PROMPT, [PROMPT], [PROMPT, PROMPT]])
async def test_the_shape_of_vllms_scores(first: Any, model: dict[str, str]) -> None:
    told = (await post("/score", {"text_1": first, "text_2": [RIGHT, WRONG], **model})).json()
    assert [one["score"] for one in told["data"]] == SCORES
    assert {one["object"] for one in told["data"]} == {"score"}


async def test_the_shape_of_vllms_pooling() -> None:
    told = (await post("/pooling", {"model": "scripted", "input": RIGHT, "encoding_format": "float"})).json()
    assert told["data"][0]["object"] == "pooling"
    assert [number for row in told["data"][0]["data"] for number in row] == pytest.approx([0.7310586, 0.8807971])


@pytest.mark.parametrize(
    ("path", "asked", "expected"),
    [
        ("/v1/score", {"model": "scripted"}, (400, "invalid_value", "input")),
        ("/v1/score", {"model": "scripted", "prompt": "a", "input": [{"prompt": "a"}]}, (400, "invalid_value", "input")),
        ("/v1/score", {"model": "scripted", "completion": "b", "input": [{"prompt": "a"}]}, (400, "invalid_value", "input")),
        ("/v1/score", {"model": "scripted", "prompt": ""}, (400, "invalid_prompt", None)),
        ("/v1/score", {"model": "gpt", "prompt": "a"}, (404, "model_not_found", "model")),
        ("/v1/score", {"model": "scripted", "prompt": "a " * 5000}, (400, "context_length_exceeded", None)),
        ("/score", {"text_1": ["a", "b"], "text_2": ["a", "b", "c"]}, (400, "invalid_value", "text_1")),
        ("/score", {"text_1": "a", "text_2": [], "model": None}, (400, "invalid_value", "text_2")),
        ("/pooling", {"input": "a", "task": "embed"}, (400, "unsupported_parameter", "task")),
        ("/pooling", {"input": "a", "messages": []}, (400, "unknown_parameter", "messages")),
    ],
)
async def test_what_is_wrong(path: str, asked: dict[str, Any], expected: tuple[int, str, str]) -> None:
    assert fault(await post(path, asked)) == expected


async def test_a_batch_has_limits_and_takes_a_place() -> None:
    asked = {"input": ["a", "b", "c"]}
    assert fault(await post("/pooling", asked, messages=2)) == (400, "invalid_value", "input")
    with serving(live=1, queue=0) as service:
        place = service.admission.enter()
        async with calling(service) as client:
            assert fault(await client.post("/pooling", json=asked))[:2] == (429, "rate_limit_exceeded")
            place.leave()
            assert (await client.post("/pooling", json=asked)).status_code == 200
            assert "reflectgen_step_score_count 3.0" in (await client.get("/metrics")).text


async def test_where_one_text_is_wrong_none_is_graded_behind_the_answer() -> None:
    with serving() as served:
        graded: list[int] = []

        async def slow(prompt: Sequence[int], completion: Sequence[int], forced: Any = ()) -> tuple[Step, ...]:
            await asyncio.sleep(0.2)
            graded.append(len(completion))
            return ()

        served.model.engine.score = slow  # type: ignore[method-assign]
        async with calling(served) as client:
            asked = {"model": "scripted", "input": [{"prompt": PROMPT, "completion": RIGHT}, {"prompt": ""}]}
            assert (await client.post("/v1/score", json=asked)).status_code == 400
            await asyncio.sleep(0.4)
        assert (served.admission.live, graded) == (0, [])


async def test_without_a_head_there_are_no_scores() -> None:
    engine = ScriptedEngine([GOOD], has_head=False)
    assert fault(await post("/pooling", {"input": "a"}, engine=engine)) == (400, "invalid_value", None)
