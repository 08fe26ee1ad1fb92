"""The example clients, each in a process of its own, against a scripted service."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from serve.rig import listening, serving

CLIENTS = Path(__file__).parent.parent.parent / "examples" / "clients"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(name="tiny") as service, listening(service) as (_, url):
        yield url


def run(*command: str) -> str:
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def script(name: str, url: str, *needed: str) -> str:
    for package in needed:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    return run(sys.executable, str(CLIENTS / name), f"{url}/v1")


def test_there_is_a_test_for_every_client() -> None:
    assert sorted(path.name for path in CLIENTS.iterdir()) == [
        "curl.sh",
        "langchain_chat.py",
        "litellm_chat.py",
        "openai_async.py",
    ]


def test_openai_async(url: str) -> None:
    assert script("openai_async.py", url, "openai").count("6 words of thinking, then: So \\boxed{4}") == 2


def test_langchain(url: str) -> None:
    assert script("langchain_chat.py", url, "langchain_openai").splitlines() == [
        "answer: So \\boxed{4}",
        "tokens: 34 of all branches",
        "stream: So \\boxed{4}",
    ]


def test_litellm(url: str) -> None:
    assert script("litellm_chat.py", url, "litellm").splitlines() == [
        "thinking: That is 4.",
        "answer: So \\boxed{4}",
        "stream: So \\boxed{4}",
    ]


def test_curl(url: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    told = run("sh", str(CLIENTS / "curl.sh"), url)
    assert told.count("data: [DONE]") == 1 and '"type":"chosen"' in told and '"object":"score"' in told
