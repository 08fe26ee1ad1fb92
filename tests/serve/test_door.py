"""What every request passes: ids, keys, hosts, origins, the size of the body; and what every response brings."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from serve.rig import ASKED, KEY, calling, fault, serving

from reflectgen.errors import OptionError
from reflectgen.serve.door import check_origins
from reflectgen.serve.service import Service

PATH = "/v1/chat/completions"


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as service:
        yield service


async def test_an_id_is_given_or_kept(service: Service) -> None:
    async with calling(service) as client:
        given = (await client.get("/healthz")).headers["x-request-id"]
        kept = (await client.get("/healthz", headers={"x-request-id": "mine-1"})).headers["x-request-id"]
        odd = (await client.get("/healthz", headers={"x-request-id": "a b\tc"})).headers["x-request-id"]
    assert (given[:4], kept, odd[:4]) == ("req-", "mine-1", "req-")


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/openapi.json", PATH, "/v1/events.schema.json", "/nowhere"])
async def test_a_key_is_needed_where_there_are_keys(service: Service, path: str) -> None:
    async with calling(service, ["other", KEY]) as client:
        for authorization in (None, "", "Bearer", "Bearer sk", f"Basic {KEY}", f"Bearer {KEY}x", KEY):
            headers = {} if authorization is None else {"authorization": authorization}
            answer = await client.get(path, headers=headers)
            assert fault(answer) == (401, "invalid_api_key", None)
            assert answer.headers["www-authenticate"] == "Bearer"
        assert (await client.get(path, headers={"authorization": f"bearer {KEY}"})).status_code in (200, 404, 405)
        assert [(await client.get(path)).status_code for path in ("/healthz", "/readyz")] == [200, 200]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8000", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8000", 200),
        ("[::1]", 200),
        ("evil.example", 403),
        ("localhost.evil.example:8000", 403),
        ("", 403),
    ],
)
async def test_without_keys_only_this_machine_is_answered(service: Service, host: str, status: int) -> None:
    async with calling(service) as client:
        assert (await client.get("/healthz", headers={"host": host})).status_code == status
    async with calling(service, [KEY]) as client:
        assert (await client.get("/healthz", headers={"host": host})).status_code == 200


async def test_pages_of_other_origins_may_not_ask_unless_they_are_allowed(service: Service) -> None:
    own, other = {"origin": "http://localhost"}, {"origin": "https://app.example"}
    async with calling(service) as client:
        assert (await client.post(PATH, json=ASKED, headers=own)).status_code == 200
        answer = await client.post(PATH, json=ASKED, headers=other)
        assert fault(answer) == (403, "forbidden", None)
        assert "access-control-allow-origin" not in answer.headers
        assert fault(await client.get("/healthz", headers={"origin": "null"}))[0] == 403
    async with calling(service, [KEY], ["https://app.example"]) as client:
        preflight = {**other, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        assert (await client.options(PATH, headers=preflight)).status_code == 200
        answer = await client.post(PATH, json=ASKED, headers={**other, "authorization": f"Bearer {KEY}"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://app.example")
        refusal = await client.post(PATH, json=ASKED, headers=other)  # a page can read why
        assert (refusal.status_code, refusal.headers["access-control-allow-origin"]) == (401, "https://app.example")
        answer = await client.options(PATH, headers=preflight | {"origin": "https://x.example"})
        assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (400, None)


@pytest.mark.parametrize("origin", ["*", "https://app.example/", "app.example", "https://*.example"])
def test_what_no_page_has_as_its_origin_is_refused(origin: str) -> None:
    check_origins(["https://app.example", "http://localhost:3000"])
    with pytest.raises(OptionError, match="is no web origin: give scheme and host alone"):
        check_origins([origin])


async def test_browsers_are_kept_careful(service: Service) -> None:
    async with calling(service) as client:
        for answer in (await client.get("/healthz"), await client.get("/nowhere"), await client.post(PATH, json={})):
            assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"


async def test_a_large_body_is_refused_told_or_untold() -> None:
    async def drip() -> Any:
        for _ in range(100):
            yield b" " * 100

    with serving(body=1000) as service:
        async with calling(service) as client:
            headers = {"content-type": "application/json"}
            for body in (b" " * 1001, drip()):
                assert fault(await client.post(PATH, content=body, headers=headers)) == (413, "request_too_large", None)
            assert (await client.post(PATH, json=ASKED)).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_value"),
        (b"{", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b'{"model": NaN}', "invalid_json"),
        (b'{"model": "\xff"}', "invalid_json"),
        (b'{"model": "\\ud800"}', "invalid_json"),
        (json.dumps(ASKED).encode("utf-16"), "invalid_json"),
        (b'{"n": 1' + b"0" * 5000 + b"}", "invalid_json"),
        (json.dumps(ASKED | {"n": 10**4000}).encode(), "invalid_value"),
        (b"[]", "invalid_value"),
        (b"null", "invalid_value"),
        (b'"text"', "invalid_value"),
    ],
)
async def test_what_is_no_json_object_is_told(service: Service, body: bytes, code: str) -> None:
    async with calling(service) as client:
        answer = await client.post(PATH, content=body, headers={"content-type": "application/json"})
    assert fault(answer)[:2] == (400, code)


async def test_a_form_is_no_request(service: Service) -> None:
    async with calling(service) as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded", None):
            headers = {"content-type": kind} if kind else {}
            answer = await client.post(PATH, content=json.dumps(ASKED).encode(), headers=headers)
            assert fault(answer) == (400, "invalid_value", None)


async def test_routes_and_methods_that_there_are_not(service: Service) -> None:
    async with calling(service) as client:
        assert fault(await client.get("/v1/nowhere")) == (404, "not_found", None)
        answer = await client.get(PATH)
        assert fault(answer) == (405, "method_not_allowed", None)
        assert answer.headers["allow"] == "POST"


async def test_what_nobody_foresaw_is_an_id_and_a_line_in_the_log(
    service: Service, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(service, "ask", fail)
    async with calling(service) as client:
        answer = await client.post(PATH, json=ASKED, headers={"x-request-id": "mine-2"})
    assert fault(answer) == (500, "internal_error", None)
    assert "mine-2" in answer.json()["error"]["message"] and "secret" not in answer.text
    failed, request = map(json.loads, lines.getvalue().splitlines())
    assert (failed["level"], failed["id"]) == ("error", "mine-2") and "a secret of the inside" in failed["traceback"]
    assert (request["status"], request["route"]) == (500, PATH)


async def test_the_log_has_a_line_for_a_request_and_no_prompt(service: Service, lines: io.StringIO) -> None:
    async with calling(service) as client:
        await client.post(PATH, json=ASKED)
        await client.get("/a/path/of/the/clients/own")
    chat, other = map(json.loads, lines.getvalue().splitlines())
    assert {name: chat[name] for name in ("message", "method", "route", "status", "effort", "k", "tokens")} == {
        "message": "request", "method": "POST", "route": PATH, "status": 200, "effort": "low", "k": 2, "tokens": 34,
    }  # fmt: skip
    assert (other["route"], other["status"]) == ("other", 404)
    assert "What is" not in lines.getvalue() and "boxed" not in lines.getvalue()


async def test_a_stream_that_nobody_foresaw_to_fail_ends_with_an_id(
    service: Service, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(prepared: Any) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(service.model, "acarry_out", fail)
    async with calling(service) as client:
        answer = await client.post(PATH, json=ASKED | {"stream": True}, headers={"x-request-id": "mine-3"})
    *_, last = answer.text.strip().split("\n\n")
    error = json.loads(last.removeprefix("data: "))["error"]
    assert (error["code"], "mine-3" in error["message"], "secret" in answer.text) == ("internal_error", True, False)
    assert "a secret of the inside" in json.loads(lines.getvalue().splitlines()[0])["traceback"]


async def test_questions_and_answers_are_logged_where_asked_for(lines: io.StringIO) -> None:
    with serving() as service:
        service.log_texts = True
        async with calling(service) as client:
            await client.post(PATH, json=ASKED | {"stream": True})
    line = json.loads(lines.getvalue())
    assert (line["question"], line["answers"]) == ("What is 2 + 2?", ["So \\boxed{4}"])
