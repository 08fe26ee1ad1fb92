"""The viewer's page: given out with a policy that lets nothing else in."""

from __future__ import annotations

import re

import pytest
from serve.rig import KEY, calling, fault, serving

from reflectgen.serve.viewer import FOLDER, POLICY

pytestmark = pytest.mark.skipif(not (FOLDER / "index.html").is_file(), reason="this checkout has no viewer")


async def test_the_page_and_all_that_it_names_are_there_without_a_key() -> None:
    with serving() as service:
        async with calling(service, [KEY]) as client:
            page = await client.get("/")
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
            assert page.headers["content-security-policy"] == POLICY
            named = re.findall(r'(?:src|href)="(viewer/[^"]+)"', page.text)
            assert {name.rpartition(".")[2] for name in named} == {"css", "js"}
            for name in named:
                answer = await client.get(f"/{name}")
                assert (answer.status_code, answer.headers["content-security-policy"]) == (200, POLICY)
                assert answer.headers["content-type"].startswith(("text/css", "text/javascript"))
                assert answer.headers["x-content-type-options"] == "nosniff"
            assert not re.search(r"<style|style=|<script(?![^>]*src)|\bon\w+=", page.text)


@pytest.mark.parametrize(
    "path", ["/viewer/../cli.py", "/viewer/%2e%2e/cli.py", "/viewer/..%2fcli.py", "/viewer/none.js", "/viewer/"]
)
async def test_nothing_else_is_given_out(path: str) -> None:
    with serving() as service:
        async with calling(service) as client:
            assert fault(await client.get(f"/viewer/{path}"))[0] == 404
