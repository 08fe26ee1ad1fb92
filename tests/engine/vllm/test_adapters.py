"""A LoRA adapter that is asked for: the head reads the adapted states, as those of the merged model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_adapter
import torch
from engine.contract import assert_equal_steps
from engine.vllm.real import LIKELY, OPTIONS, regrade
from engine.vllm.started import serving, wait_for

from reflectgen import load, zoo
from reflectgen.engine.vllm.engine import VLLMEngine
from reflectgen.engine.vllm.inprocess import InProcess
from reflectgen.errors import ModelError
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.reflector import Reflector
from reflectgen.tasks import wordproblems

pytest.importorskip("vllm", reason="vLLM is not installed: make test-vllm")
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # vLLM leaves a socket context open
]

PROBLEMS = [wordproblems.generate("test", 0, index).text for index in range(4)]
ASKED: dict[str, Any] = {"k": 2, "max_tokens": 150, **LIKELY}


@pytest.fixture(scope="module")
def plain() -> ReflectiveModel:
    return ReflectiveModel.from_pretrained(zoo.path("tiny"))


@pytest.fixture(scope="module")
def merged() -> ReflectiveModel:
    return ReflectiveModel.from_pretrained(zoo.path("tiny"))


@pytest.fixture(scope="module")
def adapter(merged: ReflectiveModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder; from then on `merged` holds it."""
    return tiny_adapter.adapt(merged, tmp_path_factory.mktemp("adapter"))


def check(reflector: Reflector, model: ReflectiveModel) -> Any:
    """What it draws and what it is given are graded as by a plain forward of `model`; returns a thinking."""
    results = list(reflector.solve_many(PROBLEMS, **ASKED))
    grammar, encode = reflector.engine.grammar, reflector.encode
    assert sum(regrade(model, grammar, encode(result.problem.text), result) for result in results) > 4
    first = results[0].trajectories[0]
    assert_equal_steps(reflector.score(encode(results[0].problem.text), first.token_ids), first.steps)
    return results[0]


@pytest.fixture(scope="module")
def adapted(adapter: Path) -> Iterator[Reflector]:
    with load("tiny", engine="vllm", adapter=adapter, engine_options=OPTIONS) as reflector:
        yield reflector


def test_in_this_process_scores_are_those_of_the_merged_model(
    adapted: Reflector, merged: ReflectiveModel, plain: ReflectiveModel
) -> None:
    result = check(adapted, merged)
    with pytest.raises(AssertionError):
        regrade(plain, adapted.engine.grammar, adapted.encode(result.problem.text), result)


def test_an_adapter_that_does_not_fit_fails_in_a_sentence_and_nothing_else_does(
    adapted: Reflector, merged: ReflectiveModel, tmp_path: Path
) -> None:
    from vllm.lora.request import LoRARequest

    wrong = {f"base_model.model.model.layers.0.nowhere.lora_{part}.weight": torch.ones(4, 4) for part in "AB"}
    assert isinstance(adapted.engine, VLLMEngine)
    [replica] = adapted.engine.fleet.replicas
    assert isinstance(replica, InProcess)
    fitting, replica._adapter = replica._adapter, LoRARequest("wrong", 2, str(tiny_adapter.write(tmp_path, wrong)))
    replica._adapted = False
    failed = adapted.solve(PROBLEMS[0], **ASKED)
    assert {trajectory.finish for trajectory in failed.trajectories} == {"failed"}
    for trajectory in failed.trajectories:
        assert trajectory.error is not None and "\n" not in trajectory.error
        assert "cannot run the model with the adapter" in trajectory.error and "nowhere" in trajectory.error
    replica._adapter, replica._adapted = fitting, False
    check(adapted, merged)


def test_over_a_server_an_adapter_is_a_model_of_its_own(
    adapter: Path, merged: ReflectiveModel, plain: ReflectiveModel, tmp_path: Path
) -> None:
    flags = ["--enable-lora", "--max-lora-rank", "8", "--lora-modules", f"sums={adapter}"]
    with serving(tmp_path, *flags) as (url, server):
        wait_for(url, server, tmp_path)
        with load("tiny", engine=url, adapter="sums") as reflector:
            check(reflector, merged)
        with load("tiny", engine=url) as reflector:
            check(reflector, plain)
        with pytest.raises(ModelError, match=r"has no adapter 'law' \(it has: sums\)"):
            load("tiny", engine=url, adapter="law")


def test_an_adapter_of_a_kind_that_vllm_lacks_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="vLLM could not start: vLLM does not yet support DoRA") as caught:
        load("tiny", engine="vllm", adapter=tiny_adapter.write(tmp_path, use_dora=True), engine_options=OPTIONS)
    assert "\n" not in str(caught.value)
