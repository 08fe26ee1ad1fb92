import socket
from collections.abc import Iterator

import pytest
from scripted_server import Answer, Server, serve

from reflectgen.errors import InputError, OptionError
from reflectgen.train.labels.endpoint import Completion, Endpoint

CHAT = [{"role": "user", "content": "Is it right?"}]
KEY = "sk-not-to-be-told"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("no_proxy", "*")
    yield


def endpoint(server: Server, **settings: float) -> Endpoint:
    given = {"timeout": 5.0, "patience": 0.01, **settings}
    return Endpoint(base_url=server.url, model="judge", key=KEY, **given)  # type: ignore[arg-type]


def test_a_chat_is_posted_and_its_completion_returned() -> None:
    with serve([Answer("yes")]) as server:
        assert endpoint(server).complete(CHAT) == Completion("yes", 7)
    (request,) = server.requests
    assert request["path"] == "/v1/chat/completions"
    assert request["headers"]["Authorization"] == f"Bearer {KEY}"
    assert request["body"] == {"model": "judge", "messages": CHAT, "temperature": 0}


def test_without_a_key_no_authorization_is_sent() -> None:
    with serve([Answer("yes")]) as server:
        Endpoint(base_url=server.url + "/", model="judge").complete(CHAT)
    assert "Authorization" not in server.requests[0]["headers"]
    assert server.requests[0]["path"] == "/v1/chat/completions"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_where_waiting_may_help_it_is_tried_again(status: int) -> None:
    with serve([Answer(status=status), Answer(status=status), Answer("yes")]) as server:
        assert endpoint(server).complete(CHAT).text == "yes"
    assert len(server.requests) == 3


def test_an_answer_that_takes_too_long_is_asked_for_again() -> None:
    with serve([Answer("late", delay=1.0), Answer("yes")]) as server:
        assert endpoint(server, timeout=0.3).complete(CHAT).text == "yes"


@pytest.mark.parametrize(("status", "mend"), [(400, "check --base-url and --judge-model"), (401, "check the key")])
def test_a_refusal_is_told_at_once_and_without_the_key(status: int, mend: str) -> None:
    answer = Answer(status=status, body=f'{{"error": "wrong key {KEY}"}}')
    with serve([answer]) as server, pytest.raises(InputError, match=mend) as caught:
        endpoint(server).complete(CHAT)
    assert len(server.requests) == 1
    assert str(status) in str(caught.value) and KEY not in str(caught.value)


def test_patience_ends() -> None:
    told = r"gave no answer in 3 tries \(503 Service Unavailable\)"
    with serve([Answer(status=503)]) as server, pytest.raises(InputError, match=told):
        endpoint(server, tries=3).complete(CHAT)
    assert len(server.requests) == 3


def test_the_key_does_not_cross_a_redirect() -> None:
    answer = Answer(status=302, headers={"Location": "/elsewhere"})
    with serve([answer]) as server, pytest.raises(InputError, match="refused the request"):
        endpoint(server).complete(CHAT)
    assert server.requests[1]["path"] == "/elsewhere"
    assert "Authorization" not in server.requests[1]["headers"]


@pytest.mark.parametrize("body", ["no json", "[]", '{"choices": []}', '{"choices": [{"message": "text"}]}', "3"])
def test_what_is_no_chat_completion_is_told(body: str) -> None:
    with serve([Answer(body=body)]) as server, pytest.raises(InputError, match="is no chat completion"):
        endpoint(server).complete(CHAT)


def test_where_nobody_listens_that_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(InputError, match="cannot be reached"):
            Endpoint(base_url=address, model="judge", patience=0.01).complete(CHAT)


def test_an_address_must_be_one_of_the_web() -> None:
    with pytest.raises(OptionError, match="must begin with http"):
        Endpoint(base_url="file:///etc", model="judge")


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(Endpoint(base_url="http://localhost", model="judge", key=KEY))
