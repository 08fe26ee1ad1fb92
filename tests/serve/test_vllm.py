"""The service over vLLM: the command in front of servers, here one that speaks as vLLM does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import vllm_server
from serve.process import Served, process
from serve.rig import events, fault, httpx

from reflectgen.scoring import sigmoid

ASKED = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "Mia has 33 pens. How many pens has she?"}],
    "reasoning_effort": "low",
    "seed": 1,
}


@pytest.fixture
def behaviour() -> Iterator[vllm_server.Behaviour]:
    with vllm_server.serve() as behaviour:
        yield behaviour


@pytest.mark.timeout(300)
def test_what_servers_draw_and_grade_is_served_and_that_they_are_gone_is_told(behaviour: vllm_server.Behaviour) -> None:
    with process("--port", "0", "--engine", behaviour.url) as served, client(served) as asking:
        text = asking.post("/v1/chat/completions", json=ASKED | {"stream": True, "reflectgen": {"stream_steps": True}}).text
        told = events(text)
        prompt = told[0]["prompt_tokens"]
        steps = [event for event in told if event["type"] == "step"]
        scores = [sigmoid(vllm_server.logit_after(prompt + step["tokens"] - 1)) for step in steps]
        assert steps and [step["score"] for step in steps] == pytest.approx(scores)
        drawn = [asked for asked in behaviour.asked if asked.get("stream")]
        assert len(drawn) >= 2 and all(len(asked["prompt"]) >= prompt for asked in drawn)
        behaviour.breaks_after, behaviour.ill = 3, True
        assert asking.get("/readyz").json() == {"status": "ready", "model": "tiny"}
        assert fault(asking.post("/v1/chat/completions", json=ASKED)) == (500, "internal_error", None)
        gone = asking.post("/v1/chat/completions", json=ASKED)
        assert fault(gone) == (503, "engine_gone", None) and behaviour.url not in gone.text
        graded = asking.post("/v1/score", json={"model": "tiny", "prompt": "8 + 8?", "completion": "16.\n\n"})
        assert fault(graded) == (503, "engine_gone", None)
        assert (asking.get("/readyz").status_code, asking.get("/healthz").status_code) == (503, 200)
        assert (
            json.loads(next(line for line in served.lines if "The engine is gone." in line))["reason"].count(behaviour.url) == 1
        )


def client(served: Served) -> Any:
    """A client of the service."""
    return httpx.Client(base_url=served.url, timeout=120)
