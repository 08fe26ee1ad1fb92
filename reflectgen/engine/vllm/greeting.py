"""The first word with running servers: are they there, do they serve this model, and does this head grade?

A server that `reflectgen serve-engine` started lists a second name for its model, `reflectgen/BACKBONE/HEAD`, made of both
fingerprints. One that somebody started otherwise has no such name: it is believed to serve what the user says it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2

from reflectgen.engine.vllm.channel import DEPTH, Channel, Reader
from reflectgen.engine.vllm.server import ANSWER, KEY, Server, credentials
from reflectgen.errors import BackboneMismatch, ModelError

MARK = "reflectgen"
"""How the second name of a model begins."""
PATIENCE = 60.0
"""Seconds that a server has for the token which shows whether it has a head."""
NEAR = 0.01
"""How far a log-prob may be from where the channel puts it."""
NO_ENTRY = (401, 403)


def signature(backbone: str, head: str) -> str:
    """The second name of a model: `backbone` and `head` are fingerprints."""
    return f"{MARK}/{backbone}/{head}"


def greet(
    url: str, reader: Reader, backbone: str, head: str, *, adapter: str | None = None, allow_mismatch: bool = False
) -> Server:
    """The server at `url`, asked for its model or for the LoRA adapter that it calls so; empty fingerprints are not compared.

    Raises `ModelError` where nothing answers, where it is no vLLM, or where it lacks the adapter or the head, and
    `BackboneMismatch` where it serves another backbone and that is not allowed.
    """
    address = url.rstrip("/")
    address = address if address.endswith("/v1") else f"{address}/v1"
    listed = _models(address)
    _compare(address, listed, backbone, head, allow_mismatch)
    try:
        model, context = str(listed[0]["id"]), int(listed[0]["max_model_len"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ModelError(f"The server {address} is no vLLM server: its list of models lacks {error}.") from error
    asked = model if adapter is None else _adapter(address, listed, adapter)
    if isinstance(reader, Channel):
        _probe(address, asked, reader)
    return Server(address, asked, context, reader)


def _models(address: str) -> list[dict[str, Any]]:
    """What the server serves."""
    try:
        response = httpx2.get(f"{address}/models", headers=credentials(), timeout=ANSWER)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ModelError(
            f"No server answers at {address} ({error}): check the address, or start one with `reflectgen serve-engine`."
        ) from error
    if response.status_code in NO_ENTRY:
        raise ModelError(f"The server {address} asks for a key: set the environment variable {KEY}.")
    try:
        return [dict(entry) for entry in response.json()["data"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"The server {address} is no OpenAI server ({response.status_code}): check the address.") from error


def _adapter(address: str, listed: Sequence[dict[str, Any]], name: str) -> str:
    """`name`, if it is an adapter of the server's: vLLM lists each as a model with a parent."""
    has = [str(entry.get("id", "")) for entry in listed if entry.get("parent")]
    if name not in has:
        raise ModelError(
            f"The server {address} has no adapter '{name}' (it has: {', '.join(has) or 'none'}): name one of them, or start it"
            f" with --enable-lora --lora-modules {name}=FOLDER."
        )
    return name


def _compare(address: str, listed: Sequence[dict[str, Any]], backbone: str, head: str, allow_mismatch: bool) -> None:
    """Refuse a server that says it serves something else."""
    for entry in listed:
        mark, _, rest = str(entry.get("id", "")).partition("/")
        theirs, _, graded = rest.partition("/")
        if mark != MARK or not graded:
            continue
        if backbone and theirs != backbone and not allow_mismatch:
            raise BackboneMismatch(
                f"The server {address} serves the backbone {theirs}, but the model here is {backbone}: name the model that it "
                "serves, or pass --allow-backbone-mismatch."
            )
        if head and graded != head:
            raise ModelError(
                f"The server {address} grades with the head {graded}, but the one here is {head}: start it with this head."
            )


def _probe(address: str, model: str, channel: Channel) -> None:
    """Draw one likeliest token and see whether the log-prob of zero lies where a head puts it."""
    body = {
        "model": model, "prompt": [0], "max_tokens": 1, "temperature": 0, "logprobs": 1, "ignore_eos": True,
        "logprob_token_ids": list(channel.ids), "logit_bias": {str(token): bias for token, bias in channel.ban.items()},
        "return_tokens_as_token_ids": True,
    }  # fmt: skip
    try:
        answer = httpx2.post(f"{address}/completions", json=body, headers=credentials(), timeout=PATIENCE).json()
        told = answer["choices"][0]["logprobs"]
        zero, largest = told["top_logprobs"][0][f"token_id:{channel.zero}"], told["token_logprobs"][0]
    except (httpx2.HTTPError, KeyError, IndexError, TypeError, ValueError):
        zero, largest = 0.0, 0.0
    if abs(largest - DEPTH - zero) > NEAR:
        raise ModelError(
            f"The server {address} grades no steps: start it with `reflectgen serve-engine`, or use it as it is: --head none."
        )
