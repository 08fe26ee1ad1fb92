import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import stored
from rollouts.made import rollout, store
from typer.testing import Result

from reflectgen.rollouts import Store
from reflectgen.serve.events import schema
from reflectgen.tasks import wordproblems

Run = Callable[..., Result]


def test_a_store_is_shown(run: Run, tmp_path: Path) -> None:
    made = store(tmp_path / "s", [[rollout(), rollout(sample=1, correct=False)], [rollout("p1", finish="failed", error="?")]])
    made.write_labels("judge", {("p0", 0): (1.0,)})
    shown = run("rollouts", "show", made.folder)
    assert shown.exit_code == 0
    pairs = dict(line.split("  ", 1) for line in shown.output[shown.output.index("task ") :].splitlines())
    assert {name: value.strip() for name, value in pairs.items() if name not in ("pass@1", "any right")} == {
        "task": "wordproblems",
        "model": "tiny",
        "backbone": "llama-4x128-0123456789abcdef",
        "head": "sprm-0123456789abcdef",
        "step rule": "paper",
        "labels": "judge",
        "problems": "2",
        "traces": "3",
        "failed traces": "1",
        "unfinished": "0.0%",
        "tokens a trace": "3.0",
        "steps a trace": "1.0",
    }
    assert pairs["pass@1"].strip().startswith("75.0% [")
    told = json.loads(run("rollouts", "show", made.folder, "--json").output)
    assert (told["traces"], told["labels"], told["header"]["schema"]) == (3, ["judge"], 1)


def test_stores_are_merged(run: Run, tmp_path: Path) -> None:
    first, second = store(tmp_path / "a", [[rollout()]]), store(tmp_path / "b", [[rollout(seed=1)]])
    done = run("rollouts", "merge", first.folder, second.folder, "--output", tmp_path / "c", "--compact")
    assert done.exit_code == 0, done.output
    assert list(Store.open(tmp_path / "c")) == [rollout().compact(), rollout(sample=1, seed=1).compact()]


def test_wrong_stores_are_one_sentence(run: Run, tmp_path: Path) -> None:
    first, other = store(tmp_path / "a", [[rollout()]]), store(tmp_path / "b", [[rollout("p1")]], head="")
    new = tmp_path / "new"
    for arguments, sentence in [
        (("show", tmp_path / "none"), "holds no rollouts"),
        (("merge", first.folder, tmp_path / "none", "--output", new), "holds no rollouts"),
        (("merge", first.folder, other.folder, "--output", new), "has another head"),
        (("merge", first.folder, first.folder, "--output", new), "was sampled with seed 0 in two of the stores"),
        (("merge", first.folder, "--output", other.folder), "exists already: name another folder"),
    ]:
        done = run("rollouts", *arguments)
        assert done.exit_code == 2 and sentence in done.output and done.output.count("\n") == 1, done.output
    assert not new.exists()


def test_a_store_is_graded_by_another_head(run: Run, tmp_path: Path) -> None:
    stored.write(tmp_path / "a", *stored.bundled(), problems=2, samples=2)
    done = run("rollouts", "score", tmp_path / "a", "--output", tmp_path / "b", "--device", "cpu", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["header"]["head"].startswith("sprm-")
    assert all(row.score is not None and 0 < row.score < 1 for row in Store.open(tmp_path / "b"))
    without = run("rollouts", "score", tmp_path / "a", "--output", tmp_path / "c", "--head", "none")
    assert without.exit_code == 2 and "name one with --head" in without.output and not (tmp_path / "c").exists()


def test_stored_answers_are_read_and_checked_anew(run: Run, tmp_path: Path) -> None:
    for compact in (False, True):
        right, old, new = (tmp_path / f"{name}-{compact}" for name in ("right", "old", "new"))
        stored.write(right, *stored.bundled(), problems=3, samples=2, events=wordproblems.EVENTS)
        store = Store.create(old, Store.open(right).header)
        rows = [replace(row, answer="unread", correct=None) for row in Store.open(right)]
        store.write_shard(0, [*rows[:-1], replace(rows[-1], finish="failed", error="?")], compact=compact)
        done = run("rollouts", "check", old, "--output", new, "--json")
        assert done.exit_code == 0, done.output
        *checked, failed = Store.open(new)
        pairs = list(zip(Store.open(old), Store.open(right), strict=True))[:-1]
        assert {row.correct for _, row in pairs} == {True, False}
        assert checked == [replace(was, answer=row.answer, correct=row.correct) for was, row in pairs]
        assert (failed.answer, failed.correct) == ("unread", None)
        again = run("rollouts", "check", old, "--output", old)
        assert again.exit_code == 2 and "cannot replace those" in again.output


@pytest.mark.parametrize("compact", [False, True])
def test_a_problem_s_traces_become_a_trace_for_the_viewer(run: Run, tmp_path: Path, compact: bool) -> None:
    made = stored.write(tmp_path / "a", *stored.bundled(), problems=2, samples=3, events=wordproblems.EVENTS, compact=compact)
    (name, *_), file = made.problems(), tmp_path / "trace.json"
    done = run("rollouts", "trace", made.folder, name, "--select", "majority", "--output", file)
    assert done.exit_code == 0, done.output
    trace = json.loads(file.read_text())
    for event in trace["events"]:
        jsonschema.validate(event, schema())
    start, *_, chosen, finished = trace["events"]
    assert (start["type"], start["k"], start["strategy"], start["select"]) == ("start", 3, "best_of_n", "majority")
    assert start["problem"] == next(wordproblems.problems("train", 0, wordproblems.EVENTS)).text
    ends = {event["branch"]: event for event in trace["events"] if event["type"] == "end"}
    steps = [event for event in trace["events"] if event["type"] == "step"]
    for row in made.problems()[name]:
        end = ends[str(row.sample)]
        assert (end["answer"], end["tokens"], row.answer in end["reply"]) == (row.answer, row.tokens, True)
        mine = [event["text"] for event in sorted(steps, key=lambda one: one["index"]) if event["branch"] == end["branch"]]
        assert len(mine) == len(row.steps) > 1 and "".join(mine) in end["thinking"]
    assert (chosen["type"], finished["type"]) == ("chosen", "done")
    wrong = run("rollouts", "trace", made.folder, "p9", "--output", file)
    assert wrong.exit_code == 2 and f"holds no problem 'p9': its ids are like '{name}'" in wrong.output


def test_tokens_of_another_vocabulary_are_no_text(run: Run, tmp_path: Path) -> None:
    made = stored.write(tmp_path / "a", *stored.bundled(), problems=1, samples=1, events=wordproblems.EVENTS)
    other = Store.create(tmp_path / "b", made.header)
    other.write_shard(0, [replace(row, text="What another vocabulary says.") for row in made])
    for arguments in (("trace", next(iter(made.problems()))), ("check",)):
        done = run("rollouts", arguments[0], other.folder, *arguments[1:], "--output", tmp_path / "c")
        assert done.exit_code == 2 and "name the store's own with --model" in done.output, done.output
