"""Two servers started by `reflectgen serve-engine`, one of them killed in mid-step; one model split over processes."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from engine.vllm.real import LIKELY, OPTIONS, random_head, regrade
from engine.vllm.started import kill, serving, wait_for

from reflectgen import load, zoo
from reflectgen.engine.vllm.engine import VLLMEngine
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

PROBLEMS = [wordproblems.generate("test", 0, index).text for index in range(12)]
ASKED: dict[str, Any] = {"k": 4, "max_tokens": 150, **LIKELY}


@pytest.fixture(scope="module", params=[False, True], ids=["one state", "whole steps"])
def head(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """None for the model's own, which reads one state; else a random one that reads whole steps."""
    if not request.param:
        return None
    folder = tmp_path_factory.mktemp("head")
    return random_head(folder, hidden_size=128, layer=-1, norm=True, pool="step", grade_end=True)


@pytest.fixture(scope="module")
def plain(head: Path | None) -> ReflectiveModel:
    return ReflectiveModel.from_pretrained(zoo.path("tiny"), head=head)


def check(reflector: Reflector, plain: ReflectiveModel, results: list[Any]) -> None:
    """Every problem once, every thinking ended, every score that of a plain forward."""
    assert sorted(result.problem.text for result in results) == sorted(PROBLEMS)
    for result in results:
        assert len(result.trajectories) == ASKED["k"]
        assert {trajectory.finish for trajectory in result.trajectories} <= {"stop", "length"}
        assert regrade(plain, reflector.engine.grammar, reflector.encode(result.problem.text), result) > 0


def test_branches_outlive_a_server_that_is_killed(tmp_path: Path, plain: ReflectiveModel, head: Path | None) -> None:
    flags = ["--head", str(head)] if head else []
    with serving(tmp_path, *flags) as (one, first), serving(tmp_path, *flags) as (other, second):
        wait_for(one, first, tmp_path)
        wait_for(other, second, tmp_path)
        with load("tiny", head=head, engine=f"{one},{other}") as reflector:
            engine = reflector.engine
            assert isinstance(engine, VLLMEngine)
            check(reflector, plain, list(reflector.solve_many(PROBLEMS, **ASKED)))
            assert engine.failures == []
            executioner = threading.Thread(target=kill_in_mid_step, args=(engine, first), daemon=True)
            executioner.start()
            results = list(reflector.solve_many(PROBLEMS, **ASKED))
            executioner.join()
            check(reflector, plain, results)
            assert [replica.name for replica in engine.fleet.live] == [other]
            assert engine.failures
            assert {failure.replica for failure in engine.failures} == {one}
            assert any(one in note for result in results for note in result.notes)
            kill(second)
            lost = reflector.solve(PROBLEMS[0], **ASKED)
            assert {trajectory.finish for trajectory in lost.trajectories} == {"failed"}
            with pytest.raises(ModelError, match="No vLLM replica answers any more"):
                reflector.solve(PROBLEMS[0], **ASKED)


def kill_in_mid_step(engine: VLLMEngine, server: subprocess.Popen[bytes]) -> None:
    """As soon as that server has drawn some tokens of a request that is still open."""
    dying, _ = engine.fleet.replicas
    while engine.fleet.live[dying] < 400:
        time.sleep(0.001)
    time.sleep(0.1)
    kill(server)


@pytest.mark.parametrize(
    "split",
    [
        {"tensor_parallel_size": 2, "distributed_executor_backend": "mp"},
        pytest.param(
            {"pipeline_parallel_size": 2, "distributed_executor_backend": "mp", "enforce_eager": False},
            marks=pytest.mark.xfail(strict=False, reason="vLLM 0.32's CPU build loses its own classes' states, too"),
        ),
        {"enable_lora": True, "max_lora_rank": 8},
        {"enforce_eager": False},
    ],
    ids=["tensor parallel", "pipeline parallel", "LoRA", "compiled"],
)
def test_a_model_that_is_split_or_compiled_grades_alike(
    plain: ReflectiveModel, head: Path | None, split: dict[str, Any]
) -> None:
    if head and "pipeline_parallel_size" in split:
        pytest.skip("one head is enough to show that pipelines fail")
    with load("tiny", head=head, engine="vllm", engine_options={**OPTIONS, **split}) as reflector:
        check(reflector, plain, list(reflector.solve_many(PROBLEMS, **ASKED)))
