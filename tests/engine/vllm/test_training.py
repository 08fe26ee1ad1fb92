"""Joint training whose traces vLLM samples: it grades with the head that was trained, which came with the policy's weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from engine.vllm.real import measured

from reflectgen import zoo
from reflectgen.engine.vllm.heads import holds_head
from reflectgen.model.reflective import ReflectiveModel

pytest.importorskip("vllm", reason="vLLM is not installed: make test-vllm")
pytest.importorskip("trl", reason="TRL is not installed: make test-vllm")
pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1200)]

SCRIPT = Path(__file__).parents[2] / "reinforced_vllm.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run by TRL's own trainer and its own colocated vLLM leaves."""
    folder = tmp_path_factory.mktemp("run")
    path = os.pathsep.join([str(SCRIPT.parent), *sys.path])
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def told(run: Path) -> dict[str, Any]:
    """What vLLM said in that run."""
    values: dict[str, Any] = json.loads((run / "told.json").read_text())
    return values


def trained(run: Path, head: Path | None = None) -> ReflectiveModel:
    """The policy that was trained, with the head that was trained with it or another one."""
    return ReflectiveModel.from_pretrained(run / "model", head=head, allow_backbone_mismatch=True)


@pytest.mark.parametrize(("rows", "head"), [("new", None), ("old", zoo.path("tiny"))], ids=["by TRL", "as to a server"])
def test_scores_are_those_of_the_head_that_was_sent(run: Path, told: dict[str, Any], rows: str, head: Path | None) -> None:
    tokens, logprobs, logits = zip(*told[rows], strict=True)
    expected_logprobs, expected_logits = measured(trained(run, head), told["prompt"], list(tokens))
    assert logprobs == pytest.approx(expected_logprobs.tolist(), abs=1e-4)
    assert logits == pytest.approx(expected_logits.tolist(), abs=1e-4)


def test_the_new_head_is_another_than_the_old_one(run: Path, told: dict[str, Any]) -> None:
    tokens = [token for token, *_ in told["new"]]
    new, old = (measured(trained(run, head), told["prompt"], tokens)[1] for head in (None, zoo.path("tiny")))
    assert (new - old).abs().max() > 0.1


def test_vllm_says_that_it_holds_a_head_here_and_as_a_server(told: dict[str, Any]) -> None:
    assert [holds_head(one) for one in told["overrides"]] == [True, True]
