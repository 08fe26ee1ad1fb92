"""vLLM with a real language model: the scores of a plain forward, in fp32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from engine.contract import assert_equal_steps
from engine.vllm.real import OPTIONS, random_head, regrade

from reflectgen import load
from reflectgen.model.shipped import open_model

pytest.importorskip("vllm", reason="vLLM is not installed: make test-vllm")
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.real,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # vLLM leaves a socket context open
]

NAME = "qwen2.5-coder-0.5b"
PROBLEMS = ["Ann has 3 boxes of 4 pens and gives 5 away. How many pens has she?", "What is 17 times 6?"]


@pytest.mark.parametrize("shipped", [False, True], ids=["random", "shipped"])
def test_scores_are_those_of_a_plain_forward(real_models: Path, tmp_path: Path, shipped: bool) -> None:
    """With a random head, and with the one that ships for this model, which reads whole steps."""
    head = None if shipped else random_head(tmp_path, hidden_size=896, step_rule="newline", grade_end=True)
    options: dict[str, Any] = {**OPTIONS, "kv_cache_memory_bytes": 2**28, "max_model_len": 640}
    with load(real_models / NAME, head=head, engine="vllm", dtype="float32", engine_options=options) as reflector:
        results = list(reflector.solve_many(PROBLEMS, k=4, max_tokens=120, temperature=1.0))
        grammar, encode = reflector.engine.grammar, reflector.encode
        first = results[0].trajectories[0]
        graded = reflector.score(encode(results[0].problem.text), first.token_ids)
    assert grammar.pools == shipped
    assert_equal_steps(graded, first.steps)
    model = open_model(real_models / NAME, head=head, dtype="float32", device="cpu")
    assert sum(regrade(model, grammar, encode(result.problem.text), result) for result in results) > 8
