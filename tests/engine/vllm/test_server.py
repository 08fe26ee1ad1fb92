"""The client of vLLM's server, against one that speaks as vLLM's does: what is sent, what is read, and every way to fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
import vllm_server
from vllm_server import CACHED, Behaviour, confidence_after, logit_after, logprob_after, token_after

from reflectgen.config import Sampling
from reflectgen.engine.vllm import server as module
from reflectgen.engine.vllm.channel import CONFIDENCE_K, Channel, Plain, Reader
from reflectgen.engine.vllm.greeting import greet, signature
from reflectgen.engine.vllm.replica import Ask, Lost, Part
from reflectgen.engine.vllm.server import Server
from reflectgen.errors import BackboneMismatch, ModelError

CHANNEL = Channel(95, 94, 93)
ASK = Ask(ids=[1, 2, 3], most=5, sampling=Sampling(temperature=0.5, top_p=0.9, top_k=7), stop=(88, 89))


@asynccontextmanager
async def client(behaviour: Behaviour, reader: Reader = CHANNEL) -> AsyncIterator[Server]:
    server = Server(behaviour.url, "fake", 200, reader)
    try:
        yield server
    finally:
        await server.close()


async def draw(server: Server, ask: Ask = ASK) -> list[Part]:
    async with aclosing(server.draw(ask)) as parts:
        return [part async for part in parts]


async def test_a_request_says_all_that_vllm_must_know_and_its_parts_hold_the_rows() -> None:
    with vllm_server.serve() as behaviour:
        async with client(behaviour) as server:
            parts = await draw(server)
    rows = [row for part in parts for row in part.rows]
    assert [row.token for row in rows] == [token_after(count) for count in range(3, 8)]
    for row, count in zip(rows, range(3, 8), strict=True):
        assert row.logprob == logprob_after(count)
        assert (row.confidence, row.logit) == pytest.approx((confidence_after(count), logit_after(count)))
    assert sum(part.prefilled for part in parts) == 3 - CACHED
    assert [part.done for part in parts] == [False, False, True, True]
    [body] = behaviour.asked
    sent = {
        "prompt": [1, 2, 3], "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 7, "stop_token_ids": [88, 89],
        "logprob_token_ids": [95, 94, 93], "logit_bias": {"95": -100.0, "94": -100.0, "93": -100.0}, "ignore_eos": True,
        "vllm_xargs": None, "model": "fake", "return_token_ids": True, "return_tokens_as_token_ids": True, "logprobs": 1,
    }  # fmt: skip
    assert {name: body[name] for name in sent} == sent


async def test_a_request_of_a_whole_step_names_what_is_replayed() -> None:
    with vllm_server.serve() as behaviour:
        async with client(behaviour) as server:
            parts = await draw(server, Ask(ids=[1, 2, 3], most=5, replay=(7, 8)))
    assert sum(len(part.rows) for part in parts) == 7
    [body] = behaviour.asked
    assert (body["max_tokens"], body["vllm_xargs"]) == (7, {"sprm_replay": [7, 8]})


async def test_without_a_head_the_most_likely_tokens_are_asked_for() -> None:
    with vllm_server.serve() as behaviour:
        async with client(behaviour, Plain()) as server:
            [row, *_] = (await draw(server))[0].rows
    assert row.logit is None
    assert behaviour.asked[0]["logprobs"] == CONFIDENCE_K
    assert behaviour.asked[0]["logprob_token_ids"] is None


async def test_a_stream_that_is_closed_early_counts_its_request_in_full() -> None:
    with vllm_server.serve() as behaviour:
        async with client(behaviour) as server, aclosing(server.draw(ASK)) as parts:
            part = await anext(parts)
    assert part.prefilled == 3


async def test_a_given_text_is_measured() -> None:
    with vllm_server.serve() as behaviour:
        async with client(behaviour) as server:
            measured = await server.measure([50, 51, 52])
    assert measured.logprobs == [-0.01, -0.02]
    assert measured.confidences == pytest.approx([sum(range(CONFIDENCE_K - 1)) / CONFIDENCE_K + 0.01 / 20, 8.551], abs=1e-9)


async def test_pressure_and_waiting_come_from_its_metrics() -> None:
    with vllm_server.serve() as behaviour:
        async with client(behaviour) as server:
            assert (server.pressure, server.waiting) == (0.0, 0)
            await draw(server)
            async with asyncio.timeout(60):
                while not server.waiting:
                    await asyncio.sleep(0.01)
            assert (server.pressure, server.waiting) == (0.5, 7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"breaks_after": 3}, "its stream ended too early"),
        ({"refusals": [(500, json.dumps({"error": {"message": "engine dead"}}))]}, "it answered 500: engine dead"),
        ({"refusals": [(503, "")], "ill": True}, "it answered 503"),
        ({"fault": {"error": {"message": "died", "code": 500}}}, "it answered 500: died"),
    ],
    ids=["broken", "fault", "unavailable", "fault in a stream"],
)
async def test_a_server_that_fails_is_lost(settings: dict[str, Any], message: str) -> None:
    with vllm_server.serve(**settings) as behaviour:
        async with client(behaviour) as server:
            with pytest.raises(Lost, match=message):
                await draw(server)


async def test_a_server_that_is_gone_is_lost_and_not_alive() -> None:
    with vllm_server.serve() as behaviour:
        pass
    async with client(behaviour) as server:
        with pytest.raises(Lost, match="Connect"):
            await draw(server)
        assert not await server.alive()


@pytest.mark.parametrize("hangs", ["hangs", "mute"])
async def test_a_server_that_hangs_is_lost(hangs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER", 0.1)
    monkeypatch.setattr(module, "PULSE", 0.01)
    with vllm_server.serve(**{hangs: True}) as behaviour:
        async with client(behaviour) as server:
            first = asyncio.create_task(draw(server))
            await asyncio.sleep(0.05)
            for work in (first, draw(server)):  # the second may come when the looks have been missed already
                with pytest.raises(Lost, match="it answers no more"):
                    await asyncio.wait_for(work, 20)
            if hangs == "mute":
                with pytest.raises(Lost, match="it answers no more"):
                    await asyncio.wait_for(server.measure([1, 2, 3]), 20)


async def test_a_server_that_is_full_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PULSE", 0.01)
    with vllm_server.serve(refusals=[(503, ""), (429, "")]) as behaviour:
        async with client(behaviour) as server:
            assert len(await draw(server)) == 4
    assert len(behaviour.asked) == 3


async def test_what_a_server_refuses_is_told_in_its_own_words() -> None:
    refusal = json.dumps({"error": {"message": "the prompt is too long"}})
    with vllm_server.serve(refusals=[(400, refusal)]) as behaviour:
        async with client(behaviour) as server:
            with pytest.raises(ModelError, match=r"refused a request \(400\): the prompt is too long"):
                await draw(server)


@pytest.mark.parametrize(
    "junk", ["[]", "{", '{"error": "no"}', '{"error": {"code": "bad"}}', '{"choices": [{"token_ids": [1]}]}']
)
async def test_an_answer_that_is_no_completion_is_told(junk: str) -> None:
    with vllm_server.serve(junk=junk) as behaviour:
        async with client(behaviour) as server:
            with pytest.raises(ModelError, match="something that is no vLLM completion"):
                await draw(server)
            with pytest.raises(ModelError, match="something that is no vLLM completion"):
                await server.measure([1, 2])


def test_greeting_finds_the_model_its_context_and_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    with vllm_server.serve(names=("fake", signature("backbone", "sprm-1"))) as behaviour:
        found = greet(behaviour.url.removesuffix("/v1") + "/", CHANNEL, "backbone", "sprm-1")
        assert (found.name, found.context) == (behaviour.url, 200)
        assert behaviour.headers[0]["Authorization"] == "Bearer secret"
        with pytest.raises(BackboneMismatch, match="serves the backbone backbone, but the model here is other"):
            greet(behaviour.url, CHANNEL, "other", "sprm-1")
        assert greet(behaviour.url, CHANNEL, "other", "sprm-1", allow_mismatch=True)
        with pytest.raises(ModelError, match="grades with the head sprm-1, but the one here is sprm-2"):
            greet(behaviour.url, CHANNEL, "backbone", "sprm-2")
        assert greet(behaviour.url, CHANNEL, "", "")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"graded": False}, "grades no steps: start it with `reflectgen serve-engine`"),
        ({"refusals": [(400, "{}")]}, "grades no steps"),
        ({"junk": "<html>"}, "is no OpenAI server"),
        ({"junk": '{"data": [{"id": "m"}]}'}, "is no vLLM server"),
        ({"junk": '{"data": []}'}, "is no vLLM server"),
        ({"junk": '{"data": [null]}'}, "is no OpenAI server"),
        ({"junk": '{"data": ["x"]}'}, "is no OpenAI server"),
    ],
    ids=["no plug-in", "refuses", "a page", "no vLLM", "no model", "nothing", "a text"],
)
def test_greeting_refuses_what_is_no_server_of_ours(settings: dict[str, Any], message: str) -> None:
    with vllm_server.serve(**settings) as behaviour, pytest.raises(ModelError, match=message):
        greet(behaviour.url, CHANNEL, "", "")


def test_a_server_without_a_head_serves_a_model_without_one() -> None:
    with vllm_server.serve(graded=False) as behaviour:
        assert greet(behaviour.url, Plain(), "", "").name == behaviour.url


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "http://"])
def test_nothing_at_the_address(url: str) -> None:
    with pytest.raises(ModelError, match="No server answers at"):
        greet(url, CHANNEL, "", "")
