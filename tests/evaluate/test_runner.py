"""The sampler: over scripts for what it does, over a tiny random model in 16 bits for what it promises of resuming."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_folder

from reflectgen.config import PromptConfig, Sampling
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.errors import CapacityError, InputError, ModelError, OptionError, ReflectgenError
from reflectgen.evaluate.chunks import Share
from reflectgen.evaluate.runner import Job, Sampler, rollout
from reflectgen.identity import Identity
from reflectgen.load import load
from reflectgen.reflector import Options, Reflector
from reflectgen.rollouts import Rollout, Store, prompt_hash
from reflectgen.tasks import TASKS
from reflectgen.types import Problem, Result

GOOD = Script("One and one.\n\nThat is 2.\n\n</think>", reply="\\boxed{2}", logits=(1.0, 2.0))
POOR = Script("One and one.\n\n</think>", reply="\\boxed{3}", logits=(-1.0,))
DEAD = Script("One and", fails_at=2)
IDENTITY = Identity(
    model="played", backbone="none-1x1-0", head="sprm-0", engine="scripted", dtype="float32", prompt=PromptConfig(system="S")
)
PROBLEMS = [Problem(text=f"{index}?", id=f"p{index}", answers=("2",)) for index in range(5)]
TASK = TASKS["jsonl"]


def job(**changes: Any) -> Job:
    return Job(**{"task": TASK, "problems": PROBLEMS, "k": 2, "seed": 3, "chunk": 2, **changes})


def played(*scripts: Script, **settings: Any) -> Reflector:
    engine = ScriptedEngine(scripts, **settings)
    return Reflector(engine, engine.encode, identity=IDENTITY, sampling=Sampling(temperature=1.0))


@pytest.fixture
def model() -> Iterator[Reflector]:
    with played(GOOD, POOR) as model:
        yield model


def names(store: Store) -> list[str]:
    return [path.name for path in store.shards]


def test_every_trace_is_a_row_with_its_outcome(model: Reflector, tmp_path: Path) -> None:
    store = rollout(model, job(), tmp_path)
    assert names(store) == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    rows = store.rollouts
    assert [row.key for row in rows] == [(f"p{index}", sample) for index in range(5) for sample in (0, 1)]
    good, poor = rows[:2]
    assert (good.answer, good.correct, good.finish, good.seed, good.problem) == ("2", True, "stop", 3, "0?")
    assert (poor.answer, poor.correct) == ("3", False)
    assert [(len(row.steps), row.score) for row in rows[:2]] == [
        (2, pytest.approx(0.802443, abs=1e-6)),  # sqrt(0.731059 * 0.880797)
        (1, pytest.approx(0.268941, abs=1e-6)),
    ]
    assert good.text == "One and one.\n\nThat is 2.\n\n</think>\\boxed{2}<eos>"
    assert good.prompt_ids == tuple(model.encode("0?")) and good.prompt_hash == prompt_hash(good.prompt_ids)
    assert good.cost == poor.cost and good.cost.tokens_generated == sum(len(row.token_ids) for row in rows[:2])


def test_the_header_says_what_was_really_used(model: Reflector, tmp_path: Path) -> None:
    header = rollout(model, job(sampling=Options(top_p=0.5, temperature=None)), tmp_path).header
    assert (header.task, header.step_rule) == ("jsonl", "paper")
    assert (header.model, header.backbone, header.head, header.engine, header.dtype) == (
        "played", "none-1x1-0", "sprm-0", "scripted", "float32",
    )  # fmt: skip
    assert header.prompt["system"] == "S"
    assert header.sampling == {"temperature": 1.0, "top_p": 0.5, "top_k": 0, "max_tokens": 4096, "answer_tokens": 512}


def test_without_gold_answers_nothing_is_graded_or_asked_for(model: Reflector, tmp_path: Path) -> None:
    def refuse(*arguments: Any) -> bool:
        raise AssertionError

    unknown = [replace(problem, answers=()) for problem in PROBLEMS]
    store = rollout(model, job(problems=unknown, task=replace(TASK, grade=refuse, ready=refuse)), tmp_path)
    assert {row.correct for row in store} == {None}


def test_what_grading_lacks_is_told_before_anything_is_sampled(model: Reflector, tmp_path: Path) -> None:
    def ready() -> None:
        raise ReflectgenError("no sandbox here")

    with pytest.raises(ReflectgenError, match="no sandbox here"):
        rollout(model, job(task=replace(TASK, ready=ready)), tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_only_missing_shards_are_sampled_and_come_out_the_same(model: Reflector, tmp_path: Path) -> None:
    whole = rollout(model, job(), tmp_path)
    rows, kept = untimed(whole), whole.shards[0].stat()
    whole.shards[1].unlink()
    seen: list[str] = []
    again = rollout(model, job(), tmp_path, lambda rollouts: seen.append(rollouts[0].problem_id))
    assert sorted(seen) == ["p2", "p3"]
    assert untimed(again) == rows
    assert again.shards[0].stat().st_mtime_ns == kept.st_mtime_ns


def untimed(store: Store) -> list[Rollout]:
    """The rows without their seconds."""
    return [replace(row, cost=replace(row.cost, seconds=0.0)) for row in Store.open(store.folder)]


def test_two_processes_share_a_folder(model: Reflector, tmp_path: Path) -> None:
    halves = [Sampler(model, job(share=Share(index, 2)), tmp_path / "shared") for index in (0, 1)]
    assert [[chunk.index for chunk in half.missing] for half in halves] == [[0, 2], [1]]
    for half in halves:
        half.run()
    assert untimed(halves[0].store) == untimed(rollout(model, job(), tmp_path / "alone"))
    assert [chunk.index for chunk in Sampler(model, job(share=Share(0, 2)), tmp_path / "shared").done] == [0, 2]


def test_a_compact_store_leaves_out_prompts_and_texts(model: Reflector, tmp_path: Path) -> None:
    row = rollout(model, job(compact=True), tmp_path).rollouts[0]
    assert (row.problem, row.prompt_ids, row.text) == (None, None, None)
    assert row.prompt_hash == prompt_hash(model.encode("0?"))


def test_a_failed_trace_is_a_row_with_its_error(tmp_path: Path) -> None:
    with played(GOOD, DEAD) as model:
        rows = rollout(model, job(), tmp_path).rollouts
    assert [(row.finish, row.correct) for row in rows[:2]] == [("stop", True), ("failed", False)]
    assert rows[1].error == "The script fails after 2 tokens." and rows[0].error is None


def test_a_chunk_that_failed_as_a_whole_is_not_written(tmp_path: Path) -> None:
    with played(DEAD) as model, pytest.raises(ModelError, match=r"All traces of shard 0 failed \(The script fails after 2"):
        rollout(model, job(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_grading_goes_on_beside_sampling(tmp_path: Path) -> None:
    """The first chunk's grades wait until the second chunk is sampled: were grading in the way, this would never end."""
    sampled = threading.Event()

    def grade(answer: str | None, problem: Problem) -> bool:
        assert sampled.wait(30)
        return True

    with played(GOOD) as model:
        encode = model.encode

        def notice(text: str) -> Sequence[int]:
            if text == "2?" and encoded.count("2?") == 1:  # once for the check before, once for sampling
                sampled.set()
            encoded.append(text)
            return encode(text)

        encoded: list[str] = []
        model.encode = notice
        assert all(row.correct for row in rollout(model, job(task=replace(TASK, grade=grade)), tmp_path))


def test_what_was_sampled_before_an_error_is_graded_and_written(
    model: Reflector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread grades, and only after the last chunk has failed: all grades and writes wait for it until then."""
    failed = threading.Event()
    sample = model.solve_together

    def solve(problems: Sequence[Problem], **options: Any) -> Iterable[Result]:
        if problems[0].id == "p4":
            threading.Timer(0.2, failed.set).start()
            raise ReflectgenError("told")
        return sample(problems, **options)

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(model, "solve_together", solve)
    grade = replace(TASK, grade=lambda answer, problem: failed.wait(30))
    with pytest.raises(ReflectgenError, match="told"):
        rollout(model, job(task=grade), tmp_path)
    assert names(Store.open(tmp_path)) == ["part-00000.parquet", "part-00001.parquet"]


@pytest.mark.parametrize("error", [ReflectgenError("told"), KeyboardInterrupt()])
def test_an_error_keeps_what_was_written(model: Reflector, tmp_path: Path, error: BaseException) -> None:
    def observe(rollouts: Sequence[Rollout]) -> None:
        if rollouts[0].problem_id == "p4":
            raise error

    with pytest.raises(type(error)):
        rollout(model, job(), tmp_path, observe)
    assert names(Store.open(tmp_path)) == ["part-00000.parquet", "part-00001.parquet"]
    assert len(names(rollout(model, job(), tmp_path))) == 3


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"seed": 4}, "now it would be 2 problems from 'p0' on with 2 traces each, seed 4"),
        ({"k": 3}, "with 3 traces each"),
        ({"chunk": 3}, "now it would be 3 problems"),
        ({"problems": PROBLEMS[:2]}, "part-00001.parquet holds .*; now it would be no shard at all"),
        ({"problems": [replace(one, text="other") for one in PROBLEMS]}, r"prompts \w{4}; now it would be .* prompts \w{4}"),
        ({"sampling": Options(temperature=0.5)}, r"has another sampling \(temperature: 1.0 against 0.5\)"),
        ({"task": TASKS["gsm8k"]}, r'has another task \("jsonl" against "gsm8k"\)'),
    ],
)
def test_a_store_of_another_job_is_refused_and_kept(
    model: Reflector, tmp_path: Path, change: dict[str, Any], fault: str
) -> None:
    before = untimed(rollout(model, job(), tmp_path))
    with pytest.raises(InputError, match=fault):
        Sampler(model, job(**change), tmp_path)
    assert untimed(Store.open(tmp_path)) == before


def test_wrong_jobs_are_one_sentence(model: Reflector, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="A chunk of 0 problems holds nothing: give at least 1"):
        job(chunk=0)
    with pytest.raises(InputError, match="Two problems of the task 'jsonl' have one id"):
        job(problems=PROBLEMS + PROBLEMS)
    with played(GOOD, context=30) as small, pytest.raises(CapacityError, match="Task jsonl, problem 'long': The prompt has 40"):
        Sampler(small, job(problems=[*PROBLEMS, Problem(text="!" * 40, id="long")]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_shard_holds_as_many_problems_as_fill_a_batch(model: Reflector, tmp_path: Path) -> None:
    assert [len(chunk.problems) for chunk in Sampler(model, job(chunk=None, k=128), tmp_path).chunks] == [2, 2, 1]


def test_in_16_bits_a_chunk_comes_out_the_same_whatever_was_sampled_before(tmp_path: Path) -> None:
    """The first chunk is larger and longer, so that it would leave another cache behind."""
    folder = tiny_folder.write(tmp_path / "model")
    problems = [Problem(text=f"{index} + {'1' * (60 if index < 2 else 3)}?", id=str(index)) for index in range(4)]
    asked = job(problems=problems, k=6, sampling=Options(max_tokens=60, answer_tokens=8))
    with load(folder, dtype="bfloat16", kv_budget=400_000) as model:
        whole = untimed(rollout(model, asked, tmp_path / "whole"))
    (tmp_path / "whole" / "part-00001.parquet").unlink()
    with load(folder, dtype="bfloat16", kv_budget=400_000) as model:
        assert untimed(rollout(model, asked, tmp_path / "whole")) == whole
    assert {row.score is None for row in whole} == {False}
