"""A running vLLM server: a replica over its OpenAI interface, streamed.

Token ids go in and come out (`prompt` as ids, `return_token_ids`, log-probs by `token_id:N`), so no text is read twice. When
a stream is closed vLLM aborts its request. While there are streams the server's `/metrics` are looked at every `PULSE`
seconds: they tell how full it is, and one that misses `MISSES` looks in a row is lost with all its streams, so that a server
which hangs is noticed like one that dies.

How much of a request the cache held comes with its last part. So the first part counts all of it as prefilled and the last
one takes back what was cached; a request that is cut off between them counts in full.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import httpx2

from reflectgen.engine.vllm.channel import CONFIDENCE_K, Reader, Row, confidence
from reflectgen.engine.vllm.heads import REPLAY
from reflectgen.engine.vllm.replica import STREAM, Ask, Lost, Measured, Part
from reflectgen.errors import ModelError

T = TypeVar("T")

PULSE, ANSWER = 2.0, 10.0
"""Seconds between two looks at a server, and seconds that it has to answer one."""
MISSES = 3
"""Looks in a row without an answer after which a server is lost."""
TOO_MANY_REQUESTS, SERVER_FAULT, UNAVAILABLE = 429, 500, 503
PRESSURE, WAITING = "vllm:kv_cache_usage_perc", "vllm:num_requests_waiting"
"""Names of its metrics."""
KEY = "VLLM_API_KEY"
"""Environment variable with the key that the server was started with; vLLM itself reads the same."""
DATA = "data: "
DONE = "[DONE]"
"""How a line of a stream begins, and what the last one holds."""


def credentials() -> dict[str, str]:
    """The header that shows the key, where there is one."""
    key = os.environ.get(KEY, "")
    return {"Authorization": f"Bearer {key}"} if key else {}


class Server:
    """A replica behind an address. See `reflectgen.engine.vllm.replica.Replica`."""

    def __init__(self, url: str, model: str, context: int, reader: Reader) -> None:
        """`url` is the address up to and with `/v1`, `model` what the server calls its model."""
        self.name = url
        self.context = context
        self.reader = reader
        self._model = model
        self._client = httpx2.AsyncClient(
            headers=credentials(), timeout=httpx2.Timeout(None, connect=ANSWER), limits=httpx2.Limits(max_connections=None)
        )
        self._metrics = {PRESSURE: 0.0, WAITING: 0.0}
        self._streams = 0
        self._deadlines: set[asyncio.Timeout] = set()
        self._watch: asyncio.Task[None] | None = None

    @property
    def pressure(self) -> float:
        """As its metrics said last."""
        return self._metrics[PRESSURE]

    @property
    def waiting(self) -> int:
        """As its metrics said last."""
        return int(self._metrics[WAITING])

    async def draw(self, ask: Ask) -> AsyncGenerator[Part]:
        """Go on; see `Replica.draw`."""
        prefilled, done = len(ask.ids), False
        async with aclosing(self._events(self._body(ask))) as events:
            async for event in events:
                with self._understood():
                    rows = [row for choice in event["choices"] for row in self._rows(choice)]
                    done = done or any(choice.get("finish_reason") for choice in event["choices"])
                    prefilled -= _cached(event)
                yield Part(rows, prefilled, done)
                prefilled = 0

    async def measure(self, ids: Sequence[int]) -> Measured:
        """Log-probs and confidences; see `Replica.measure`."""
        body = {"model": self._model, "prompt": list(ids), "max_tokens": 1, "temperature": 0, "prompt_logprobs": CONFIDENCE_K}
        async with self._post(body) as response:
            text = await self._in_time(response.aread())
        with self._understood():
            rows = json.loads(text)["choices"][0]["prompt_logprobs"][1:]
            values = [{int(token): entry["logprob"] for token, entry in row.items()} for row in rows]
            chosen = [row[token] for row, token in zip(values, ids[1:], strict=True)]
        return Measured(chosen, [confidence(row) for row in values])

    async def alive(self) -> bool:
        """Whether it says in time that it is well."""
        return await self._get("/health") is not None

    async def close(self) -> None:
        """Close the connections."""
        if self._watch is not None:
            self._watch.cancel()
        await self._client.aclose()

    # -- inside --------------------------------------------------------------------------------------------------

    def _body(self, ask: Ask) -> dict[str, Any]:
        """The request in the OpenAI interface's terms and vLLM's own."""
        return {
            "model": self._model,
            "prompt": ask.ids,
            "stream": True,
            "stream_options": {"include_usage": True},
            "stream_interval": STREAM,
            "max_tokens": ask.most + ask.replayed,
            "temperature": ask.sampling.temperature,
            "top_p": ask.sampling.top_p,
            "top_k": ask.sampling.top_k,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "stop_token_ids": list(ask.stop),
            "ignore_eos": True,
            "logprobs": self.reader.top,
            "logprob_token_ids": list(self.reader.ids) or None,
            "logit_bias": {str(token): bias for token, bias in self.reader.ban.items()} or None,
            "vllm_xargs": None if ask.replay is None else {REPLAY: list(ask.replay)},
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
            "skip_special_tokens": False,
        }

    def _rows(self, choice: Mapping[str, Any]) -> Iterator[Row]:
        """The tokens of one part of a stream."""
        tokens = choice.get("token_ids") or []
        if not tokens:
            return
        for token, chosen, entry in zip(
            tokens, choice["logprobs"]["token_logprobs"], choice["logprobs"]["top_logprobs"], strict=True
        ):
            values = {int(name.removeprefix("token_id:")): value for name, value in entry.items()}
            yield self.reader.row(token, {**values, token: chosen})

    async def _events(self, body: dict[str, Any]) -> AsyncGenerator[Any]:
        """What a stream tells, until it has told all. Raises `Lost` where it breaks off."""
        async with self._post(body) as response:
            lines = response.aiter_lines()
            while True:
                line = await self._in_time(anext(lines, None))
                if line is None:
                    raise Lost("its stream ended too early")
                if line == DATA + DONE:
                    return
                if line.startswith(DATA):
                    with self._understood():
                        event = json.loads(line.removeprefix(DATA))
                        error = event.get("error")
                        status = 0 if error is None else int(error.get("code") or SERVER_FAULT)
                    if status:
                        raise self._fault(status, event)
                    yield event

    @asynccontextmanager
    async def _post(self, body: dict[str, Any]) -> AsyncIterator[httpx2.Response]:
        """An answer that began well; where the server is full the request is made again after a pulse."""
        self._streams += 1
        if self._watch is None or self._watch.done():
            self._watch = asyncio.get_running_loop().create_task(self._keep_looking())
        try:
            while True:
                request = self._client.build_request("POST", f"{self.name}/completions", json=body)
                async with aclosing(await self._in_time(self._client.send(request, stream=True))) as response:
                    if response.status_code < 400:
                        yield response
                        return
                    text = await self._in_time(response.aread())
                if response.status_code not in (TOO_MANY_REQUESTS, UNAVAILABLE) or not await self.alive():
                    raise self._fault(response.status_code, text)
                await asyncio.sleep(PULSE)
        except TimeoutError:
            raise Lost("it answers no more") from None
        except httpx2.HTTPError as error:
            raise Lost(f"{type(error).__name__} {error}".strip()) from None
        finally:
            self._streams -= 1

    def _fault(self, status: int, answer: Any) -> Exception:
        """What the server's refusal means: the request is wrong, or it cannot go on."""
        said = _message(answer)
        if status >= SERVER_FAULT:
            return Lost(f"it answered {status}: {said}")
        return ModelError(f"The server {self.name} refused a request ({status}): {said}")

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """Whatever reads an answer: one that holds something else is told in one sentence."""
        try:
            yield
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"The server {self.name} answered with something that is no vLLM completion ({error!r}): check its address."
            ) from error

    async def _in_time(self, work: Awaitable[T]) -> T:
        """What `work` on the server returns; raises `TimeoutError` when the server is lost."""
        deadline = asyncio.timeout(None)
        self._deadlines.add(deadline)
        try:
            async with deadline:
                return await work
        finally:
            self._deadlines.discard(deadline)

    async def _keep_looking(self) -> None:
        """Look at the server while there are streams; end them where it is lost."""
        missed = 0
        while self._streams:
            missed = 0 if await self._look() else missed + 1
            if missed >= MISSES:
                for deadline in self._deadlines:
                    deadline.reschedule(asyncio.get_running_loop().time())
            await asyncio.sleep(PULSE)

    async def _look(self) -> bool:
        """Read the metrics; False where there was no answer in time."""
        text = await self._get("/metrics")
        if text is None:
            return False
        for name, merge in ((PRESSURE, max), (WAITING, sum)):
            values = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith((name + "{", name + " "))]
            if values:
                self._metrics[name] = merge(values)
        return True

    async def _get(self, path: str) -> str | None:
        """The text at a path beside `/v1`; None where there is none in time."""
        try:
            response = await self._client.get(self.name.removesuffix("/v1") + path, timeout=ANSWER)
        except httpx2.HTTPError:
            return None
        return response.text if response.status_code < 400 else None


def _cached(event: Mapping[str, Any]) -> int:
    """Tokens of the request that the cache held, where this part of the stream tells it."""
    details = (event.get("usage") or {}).get("prompt_tokens_details") or {}
    return int(details.get("cached_tokens") or 0)


def _message(answer: Any) -> str:
    """The sentence in an error answer."""
    try:
        values = answer if isinstance(answer, dict) else json.loads(answer)
        return str(values.get("error", values)["message"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return bytes(answer).decode(errors="replace")[:200] if isinstance(answer, bytes) else str(answer)[:200]
