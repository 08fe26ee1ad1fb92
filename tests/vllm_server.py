"""A local HTTP server that speaks as vLLM's does, for tests of what talks to one: it draws by a rule, and fails on demand.

What it says of a text of n tokens: the next token is `(n * 5) % VOCABULARY`, its log-prob -n / 100, the confidence n / 10 and
the step's logit n / 50 - 1.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from reflectgen.engine.vllm.channel import DEPTH

VOCABULARY = 90
CACHED = 2
"""Tokens of every request that the cache is said to hold."""


def token_after(count: int) -> int:
    return (count * 5) % VOCABULARY


def logprob_after(count: int) -> float:
    return -count / 100


def confidence_after(count: int) -> float:
    return count / 10


def logit_after(count: int) -> float:
    return count / 50 - 1


@dataclass
class Behaviour:
    """What it does, and what it was asked."""

    names: tuple[str, ...] = ("fake",)
    adapters: tuple[str, ...] = ()
    context: int = 200
    graded: bool = True
    """Whether the plug-in is there."""
    refusals: list[tuple[int, str]] = field(default_factory=list)
    """Answers in place of the next completions: status and body."""
    breaks_after: int | None = None
    """Tokens after which a stream breaks off."""
    fault: dict[str, Any] | None = None
    """What a stream tells in place of its first part."""
    junk: str | None = None
    """What it tells in place of every JSON."""
    hangs: bool = False
    """Whether a stream tells nothing, and metrics neither."""
    mute: bool = False
    """Whether it does not even begin an answer."""
    ill: bool = False
    """Whether it says that it is not well."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


def entry(behaviour: Behaviour, body: dict[str, Any], count: int) -> dict[str, float]:
    """Log-probs of one row, by id, as the request wants them."""
    ids = body.get("logprob_token_ids")
    if ids and behaviour.graded:
        score, zero, confidence = ids
        values = {zero: logprob_after(count) - DEPTH, confidence: -confidence_after(count) - DEPTH}
        values[score] = values[zero] + logit_after(count)
    elif ids:
        values = dict.fromkeys(ids, -12.5)
    else:
        values = {number: -float(number) for number in range(body["logprobs"])}
    return {f"token_id:{token}": value for token, value in {**values, token_after(count): logprob_after(count)}.items()}


def part(behaviour: Behaviour, body: dict[str, Any], counts: list[int], finish: str | None) -> dict[str, Any]:
    """One part of a stream: the tokens after texts of these lengths."""
    logprobs = {
        "token_logprobs": [logprob_after(count) for count in counts],
        "top_logprobs": [entry(behaviour, body, count) for count in counts],
    }
    tokens = [token_after(count) for count in counts]
    return {"choices": [{"index": 0, "text": "", "logprobs": logprobs, "finish_reason": finish, "token_ids": tokens}]}


def parts(behaviour: Behaviour, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All parts of a stream, two tokens each."""
    start, counts = len(body["prompt"]), []
    for drawn in range(body["max_tokens"]):
        counts.append(start + drawn)
        if token_after(start + drawn) in body.get("stop_token_ids", ()):
            yield part(behaviour, body, counts, "stop")
            break
        last = drawn + 1 == body["max_tokens"]
        if last or len(counts) == 2:
            yield part(behaviour, body, counts, "length" if last else None)
            counts = []
    usage = {"prompt_tokens": start, "prompt_tokens_details": {"cached_tokens": CACHED}}
    yield {"choices": [], "usage": usage}


def prompt_logprobs(body: dict[str, Any]) -> list[dict[str, Any] | None]:
    """What vLLM tells of a given text: nothing of its first token, then the token itself and the likeliest ones."""
    rows: list[dict[str, Any] | None] = [None]
    for count, token in enumerate(body["prompt"][1:], start=1):
        values = {**{number: -float(number) for number in range(body["prompt_logprobs"])}, token: -count / 100}
        rows.append({str(name): {"logprob": value, "rank": 1, "decoded_token": ""} for name, value in values.items()})
    return rows


def cards(behaviour: Behaviour) -> list[dict[str, Any]]:
    """What it serves: its model by all names, and then adapters."""
    models = [{"id": name, "parent": None, "max_model_len": behaviour.context} for name in behaviour.names]
    return [*models, *({"id": name, "parent": behaviour.names[0]} for name in behaviour.adapters)]


class Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour

    def do_GET(self) -> None:
        behaviour = self.behaviour
        if (behaviour.hangs or behaviour.mute) and self.path == "/metrics":
            time.sleep(0.3)
        answers = {
            "/v1/models": json.dumps({"data": cards(behaviour)}),
            "/health": "",
            "/metrics": 'vllm:kv_cache_usage_perc{engine="0"} 0.25\nvllm:kv_cache_usage_perc{engine="1"} 0.5\n'
            'vllm:num_requests_waiting{engine="0"} 3.0\nvllm:num_requests_waiting{engine="1"} 4.0\n',
        }
        behaviour.headers.append(dict(self.headers))
        ill = behaviour.ill and self.path == "/health"
        self.send(503 if ill else 200, behaviour.junk if self.path == "/v1/models" and behaviour.junk else answers[self.path])

    def do_POST(self) -> None:
        behaviour = self.behaviour
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        behaviour.asked.append(body)
        if behaviour.mute:
            time.sleep(1)
            return
        if behaviour.refusals:
            self.send(*behaviour.refusals.pop(0))
        elif body.get("stream"):
            self.stream(body)
        else:
            answer = part(behaviour, {"logprobs": 1, **body}, [len(body["prompt"])], "length")
            if "prompt_logprobs" in body:
                answer["choices"][0]["prompt_logprobs"] = prompt_logprobs(body)
            self.send(200, behaviour.junk or json.dumps(answer))

    def stream(self, body: dict[str, Any]) -> None:
        behaviour, told = self.behaviour, 0
        self.send_response(200)
        self.end_headers()
        if behaviour.hangs:
            time.sleep(0.6)
            return
        try:
            if behaviour.fault is not None:
                self.tell(json.dumps(behaviour.fault))
            for event in parts(behaviour, body):
                self.tell(behaviour.junk or json.dumps(event))
                told += sum(len(choice["token_ids"]) for choice in event["choices"])
                if behaviour.breaks_after is not None and told >= behaviour.breaks_after:
                    return
            self.tell("[DONE]")
        except OSError:
            pass  # whoever asked has gone

    def tell(self, text: str) -> None:
        self.wfile.write(f"data: {text}\n\n".encode())
        self.wfile.flush()

    def send(self, status: int, text: str) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())
        except OSError:
            pass

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@contextmanager
def serve(**settings: Any) -> Iterator[Behaviour]:
    """Serve until the block ends; `settings` are fields of `Behaviour`."""
    behaviour = Behaviour(**settings)
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"behaviour": behaviour}))
    behaviour.url = f"http://127.0.0.1:{http.server_port}/v1"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield behaviour
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
