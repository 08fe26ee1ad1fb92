"""A client that goes away frees the local engine within one decoding step."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from serve.rig import httpx, listening  # first, since without the extra it skips

import reflectgen
from reflectgen.config import ServeConfig
from reflectgen.serve.service import Service

QUESTION = "Mia has 33 pens. On Monday, 2 children take 2 each. How many pens are there in the end?"


async def test_a_search_that_is_cancelled_draws_no_more_than_the_step_that_is_under_way() -> None:
    begun = threading.Event()
    with reflectgen.load("tiny") as model:
        engine: Any = model.engine
        prepared = model.prepare(QUESTION, k=64, observe=lambda branch: branch.steps and begun.set())
        search = asyncio.create_task(model.acarry_out(prepared))
        assert await asyncio.to_thread(begun.wait, 60)
        search.cancel()
        await asyncio.gather(search, return_exceptions=True)

        async def passes() -> int:
            return int(engine.forward_passes)

        at_once = await asyncio.wrap_future(model._background.submit(passes()))
        while engine.pressure:
            await asyncio.sleep(0.01)
        assert engine.forward_passes - at_once <= 1


def test_a_client_that_goes_away_frees_the_engine() -> None:
    asked = {"model": "tiny", "messages": [{"role": "user", "content": QUESTION}], "stream": True, "reflectgen": {"k": 64}}
    with reflectgen.load("tiny") as model:
        service = Service(model, "tiny", ServeConfig(), effort="medium")
        with listening(service) as (_, url):
            with httpx.stream("POST", f"{url}/v1/chat/completions", json=asked) as answer:
                lines = answer.iter_lines()
                assert next(lines)
                assert service.admission.live == 1
            end = time.monotonic() + 30
            while service.admission.live or model.engine.pressure:
                assert time.monotonic() < end
                time.sleep(0.005)
