"""The official client, unchanged, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from serve.rig import KEY, listening, serving

openai = pytest.importorskip("openai")

TALK: Any = [{"role": "user", "content": "What is 2 + 2?"}]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as service, listening(service, [KEY]) as (_, url):
        yield f"{url}/v1"


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        yield client


def test_a_chat(client: Any) -> None:
    done = client.chat.completions.create(model="scripted", messages=TALK, seed=1, logprobs=True, n=2)
    best, second = done.choices
    assert (best.message.content, second.message.content) == ("So \\boxed{4}", "So \\boxed{5}")
    assert best.message.reasoning_content == "Two and two.\n\nThat is 4.\n\n"
    assert "".join(token.token for token in best.logprobs.content) == "So \\boxed{4}"
    assert done.usage.completion_tokens_details.reasoning_tokens < done.usage.completion_tokens
    assert done._request_id.startswith("req-")


@pytest.mark.parametrize(("effort", "k"), [("none", 1), ("minimal", 1), ("low", 2), ("medium", 8), ("high", 32), ("xhigh", 64)])
def test_efforts(client: Any, effort: str, k: int) -> None:
    done = client.chat.completions.create(model="scripted", messages=TALK, reasoning_effort=effort)
    assert done.reflectgen["k"] == k
    assert done.usage.completion_tokens == 17 * k


def test_a_stream(client: Any) -> None:
    stream = client.chat.completions.create(
        model="scripted",
        messages=TALK,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"reflectgen": {"k": 3}},
    )
    chunks = list(stream)
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "So \\boxed{4}"
    assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == "Two and two.\n\nThat is 4.\n\n"
    assert chunks[-1].usage.completion_tokens > 0 and chunks[-2].choices[0].finish_reason == "stop"


def test_a_stream_of_steps(client: Any) -> None:
    extension = {"reflectgen": {"stream_steps": True}}
    stream = client.chat.completions.create(model="scripted", messages=TALK, stream=True, extra_body=extension)
    told = [chunk.reflectgen["type"] for chunk in stream if getattr(chunk, "reflectgen", None)]
    assert told == ["start", "branch", "branch", "step", "step", "step", "step", "end", "end", "chosen", "done"]


async def test_the_asynchronous_client(url: str) -> None:
    async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        done = await client.chat.completions.create(model="scripted", messages=TALK)
        assert done.choices[0].message.content == "So \\boxed{4}"
        stream = await client.chat.completions.create(model="scripted", messages=TALK, stream=True)
        texts = [choice.delta.content or "" async for chunk in stream for choice in chunk.choices]
        assert "".join(texts) == "So \\boxed{4}"


def test_a_stream_is_put_together_by_the_clients_helper(client: Any) -> None:
    with client.chat.completions.stream(model="scripted", messages=TALK) as stream:
        assert stream.get_final_completion().choices[0].message.content == "So \\boxed{4}"


def test_models(client: Any) -> None:
    assert [model.id for model in client.models.list()] == ["scripted"]
    assert client.models.retrieve("scripted").owned_by == "reflectgen"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt")


def test_errors_are_the_clients_own(client: Any, url: str) -> None:
    create = client.chat.completions.create
    with pytest.raises(openai.NotFoundError, match="this service has 'scripted'") as wrong:
        create(model="gpt", messages=TALK)
    assert (wrong.value.code, wrong.value.param, wrong.value.type) == ("model_not_found", "model", "invalid_request_error")
    with pytest.raises(openai.BadRequestError, match="'tools' is not supported"):
        create(model="scripted", messages=TALK, tools=[{"type": "function", "function": {"name": "f"}}])
    with pytest.raises(openai.AuthenticationError, match="The API key is wrong"):
        openai.OpenAI(base_url=url, api_key="sk-wrong", max_retries=0).models.list()


def test_too_many_requests_are_a_rate_limit() -> None:
    with serving(slow=True, live=1, queue=0) as service, listening(service) as (_, url):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        with client.chat.completions.create(model="scripted", messages=TALK, stream=True) as stream:
            next(iter(stream))
            with pytest.raises(openai.RateLimitError) as busy:
                client.chat.completions.create(model="scripted", messages=TALK)
            assert 1 <= int(busy.value.response.headers["retry-after"]) <= 60
            patient = client.with_options(max_retries=3).chat.completions.create(model="scripted", messages=TALK)
        assert patient.choices[0].message.content == "So \\boxed{4}"


def test_an_error_in_a_stream_is_the_clients_own() -> None:
    with serving(slow=True, deadline=0.05) as service, listening(service) as (_, url):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        with pytest.raises(openai.APIError, match=r"not answered within 0\.05 seconds"):
            list(client.chat.completions.create(model="scripted", messages=TALK, stream=True))
        with pytest.raises(openai.InternalServerError, match=r"not answered within 0\.05 seconds") as late:
            client.chat.completions.create(model="scripted", messages=TALK)
        assert late.value.status_code == 504
