"""The service over vLLM: in front of a server that speaks as vLLM does, and after that has gone."""

from __future__ import annotations

import io
import json

import vllm_server
from pytest import approx
from serve.rig import calling, events, fault

from reflectgen.config import ServeConfig
from reflectgen.load import load
from reflectgen.scoring import sigmoid
from reflectgen.serve.service import Service

PATH = "/v1/chat/completions"
ASKED = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "Mia has 33 pens. How many pens has she?"}],
    "reasoning_effort": "low",
    "seed": 1,
}


async def test_what_a_server_draws_and_grades_is_told() -> None:
    with vllm_server.serve() as behaviour, load("tiny", engine=behaviour.url) as model:
        async with calling(Service(model, "tiny", ServeConfig(), effort="low")) as client:
            answer = await client.post(PATH, json=ASKED | {"stream": True, "reflectgen": {"stream_steps": True}})
            told = events(answer.text)
        drawn = [asked for asked in behaviour.asked if asked.get("stream")]
    prompt = told[0]["prompt_tokens"]
    steps = [event for event in told if event["type"] == "step"]
    scores = [sigmoid(vllm_server.logit_after(prompt + step["tokens"] - 1)) for step in steps]
    assert steps and [step["score"] for step in steps] == approx(scores)
    assert len(drawn) >= 2 and all(len(asked["prompt"]) >= prompt for asked in drawn)


async def test_that_all_servers_are_gone_is_told_without_their_addresses(lines: io.StringIO) -> None:
    with vllm_server.serve(breaks_after=3) as behaviour, load("tiny", engine=behaviour.url) as model:
        async with calling(Service(model, "tiny", ServeConfig(), effort="low")) as client:
            assert (await client.get("/readyz")).json() == {"status": "ready", "model": "tiny"}
            behaviour.ill = True
            assert fault(await client.post(PATH, json=ASKED)) == (500, "internal_error", None)
            assert 'reflectgen_branches_total{finish="failed"} 2.0' in (await client.get("/metrics")).text
            gone = await client.post(PATH, json=ASKED)
            assert fault(gone) == (503, "engine_gone", None) and behaviour.url not in gone.text
            graded = await client.post("/v1/score", json={"model": "tiny", "prompt": "8 + 8?", "completion": "16.\n\n"})
            assert fault(graded) == (503, "engine_gone", None)
            assert [(await client.get(path)).status_code for path in ("/readyz", "/healthz")] == [503, 200]
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [behaviour.url in line["reason"] for line in told if line["message"] == "The engine is gone."] == [True, True]
