"""Traces graded again: what the head says while it decodes is what it says of the stored traces."""

from dataclasses import replace
from pathlib import Path

import pytest
import stored

from reflectgen import zoo
from reflectgen.errors import InputError, ModelError
from reflectgen.evaluate.runner import Job, rollout
from reflectgen.load import load
from reflectgen.model.fingerprint import head_fingerprint
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.rollouts import Rollout, Store
from reflectgen.steps import TokenTable
from reflectgen.tasks import TASKS
from reflectgen.tasks.wordproblems import EVENTS
from reflectgen.train.regrade import regrade


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Traces that the bundled model wrote and graded."""
    task = TASKS["wordproblems"]
    with load("tiny", device="cpu", dtype="float32") as model:
        return rollout(model, Job(task=task, problems=task.load(None, "test", 3, 0), k=4), tmp_path_factory.mktemp("s") / "a")


def measures(row: Rollout) -> list[float]:
    grades = [(step.logit, step.score, step.logprob, step.confidence) for step in row.steps]
    return [value for step in grades for value in step if value is not None]


def test_scores_are_those_of_decoding(sampled: Store, tmp_path: Path) -> None:
    model, tokenizer = stored.bundled()
    bare = Store.create(tmp_path / "bare", replace(sampled.header, head=""))
    bare.write_shard(0, [replace(row, score=None, steps=_bare(row)) for row in sampled.rollouts])
    found = regrade(bare, model, TokenTable(tokenizer), tmp_path / "graded")
    assert found.header == sampled.header and len(found.rollouts) == len(sampled.rollouts) == 12
    for row, expected in zip(found.rollouts, sampled.rollouts, strict=True):
        assert row.score == pytest.approx(expected.score, abs=1e-3)  # states are kept as float16
        assert [step.token_span for step in row.steps] == [step.token_span for step in expected.steps]
        assert measures(row) == pytest.approx(measures(expected), abs=5e-3)
        assert replace(row, score=None, steps=()) == replace(expected, score=None, steps=())


def _bare(row: Rollout) -> tuple:
    """The row's steps without grades."""
    return tuple(replace(step, score=None, logit=None) for step in row.steps)


def test_compact_and_failed_traces_stay_so_and_unknown_confidences_are_the_traces(tmp_path: Path) -> None:
    model, tokenizer = stored.bundled()
    made = stored.write(tmp_path / "a", model, tokenizer, problems=2, samples=2, events=EVENTS, compact=True)
    rows = made.rollouts
    odd = replace(rows[0], steps=rows[0].steps[:1])
    failed = replace(rows[3], finish="failed", error="lost")
    made.write_shard(0, [odd, rows[1], rows[2], failed], compact=True)
    found = list(regrade(Store.open(made.folder), model, TokenTable(tokenizer), tmp_path / "b"))
    assert found[3] == failed and all(row.text is None for row in found)
    known, *others = (step.confidence for step in found[0].steps)
    assert known == 1.0 and others == pytest.approx([odd.confidence] * len(others)) and others


def test_it_goes_on_and_refuses_what_does_not_fit(sampled: Store, tmp_path: Path) -> None:
    model, tokenizer = stored.bundled()
    table = TokenTable(tokenizer)
    first = regrade(sampled, model, table, tmp_path / "b", cache=tmp_path / "cache")
    before = first.rollouts
    assert regrade(sampled, model, table, tmp_path / "b", cache=tmp_path / "cache").rollouts == before
    assert model.head is not None and first.header.head == head_fingerprint(model.head)
    with pytest.raises(InputError, match="cannot replace those"):
        regrade(sampled, model, table, sampled.folder)
    bare = ReflectiveModel.from_pretrained(zoo.path("tiny"), device="cpu", dtype="float32")
    bare.head = None
    with pytest.raises(ModelError, match="name one with --head"):
        regrade(sampled, bare, table, tmp_path / "c")
    other = Store.create(tmp_path / "other", replace(sampled.header, backbone="llama-1x2-ab"))
    other.write_shard(0, before)
    with pytest.raises(InputError, match="were sampled by"):
        regrade(other, model, table, tmp_path / "d")
