"""The command as a whole, with the bundled model."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from serve.process import process
from serve.rig import KEY, chunks, httpx, told

QUESTION = "Mia has 33 pens. On Monday, 2 children take 2 each. How many pens are there in the end?"
ASKED = {"model": "tiny", "messages": [{"role": "user", "content": QUESTION}], "reasoning_effort": "low", "seed": 1}


@pytest.mark.timeout(300)
def test_it_serves_the_bundled_model_until_it_is_told_to_stop(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"sk-other\n\n{KEY}\n")
    with (
        process("--port", "0", "--api-key-file", str(keys)) as served,
        httpx.Client(base_url=served.url, timeout=120) as client,
    ):
        assert client.post("/v1/chat/completions", json=ASKED).status_code == 401
        client.headers["authorization"] = f"Bearer {KEY}"
        whole = client.post("/v1/chat/completions", json=ASKED).json()
        assert "\\boxed{" in whole["choices"][0]["message"]["content"]
        assert whole["usage"]["prompt_tokens"] > 20
        graded = client.post("/v1/score", json={"model": "tiny", "prompt": QUESTION, "completion": "33 - 4 = 29.\n\n"}).json()
        assert 0 < graded["data"][0]["score"] < 1
        with client.stream("POST", "/v1/chat/completions", json=ASKED | {"stream": True}) as stream:
            lines = stream.iter_lines()
            first = next(lines)
            served.process.send_signal(signal.SIGTERM)
            text = "\n".join([first, *lines]) + "\n"
        assert told(text, "content") == whole["choices"][0]["message"]["content"]
        assert served.process.wait(30) == 0
    assert len(chunks(text)) > 3
    messages = [json.loads(line)["message"] for line in served.lines]
    assert messages.count("request") == 4 and "stopping" in messages
    assert QUESTION not in "".join(served.lines) and KEY not in "".join(served.lines)
