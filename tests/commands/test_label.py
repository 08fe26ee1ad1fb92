"""The command over a store of the bundled model's vocabulary, and over one of a scripted judge."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stored
from scripted_server import Answer, serve
from typer.testing import Result

from reflectgen.rollouts import Store
from reflectgen.tasks import wordproblems

Run = Callable[..., Result]
KEY = "sk-not-to-be-told"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("no_proxy", "*")
    yield


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two problems with two traces each."""
    model, tokenizer = stored.bundled()
    return stored.write(tmp_path / "words", model, tokenizer, problems=2, samples=2, events=wordproblems.EVENTS)


def labels(store: Store, name: str) -> list[float]:
    return [label for values in store.labels(name).values() for label in values]


def all_right(question: str) -> Answer:
    steps = question.rpartition("Steps:\n")[2].splitlines()
    return Answer("\n".join(f"{number}: right" for number, _ in enumerate(steps, start=1)))


def test_outcome_and_oracle_come_from_the_store_alone(run: Run, store: Store) -> None:
    done = run("label", store.folder, "--source", "outcome")
    assert done.exit_code == 0, done.output
    told = " ".join(done.output.split())
    assert "labels-outcome.parquet: mean label" in told and "agreement with the outcome 100.0%." in told
    done = run("label", store.folder, "--source", "oracle", "--name", "truth", "--json")
    found = json.loads(done.output)
    steps = sum(len(rollout.steps) for rollout in store)
    assert (found["traces"], found["steps"], found["labelled"], found["tokens"]) == (4, steps, steps, 0)
    assert found["mean"] == pytest.approx(sum(labels(store, "truth")) / steps)
    assert store.label_names == ["outcome", "truth"]


def test_monte_carlo_continues_the_steps_of_as_many_problems_as_asked(run: Run, store: Store) -> None:
    done = run("label", store.folder, "--source", "monte_carlo", "--n", 2, "--limit", 1, "--device", "cpu", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    first, second = store.problems().values()
    assert found["labelled"] == sum(len(rollout.steps) for rollout in first)
    assert found["tokens"] > 0
    made = store.labels("monte_carlo")
    assert {label for rollout in first for label in made[rollout.key]} <= {0.0, 0.5, 1.0}
    assert all(map(math.isnan, (label for rollout in second for label in made[rollout.key])))
    assert not list(store.folder.glob(".labels*"))


def test_a_judge_is_asked_with_the_key_and_consensus_keeps_what_both_say(
    run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge calls everything right, so the consensus with the oracle has its right steps and no others."""
    monkeypatch.setenv("REFLECTGEN_JUDGE_KEY", KEY)
    run("label", store.folder, "--source", "oracle")
    with serve(all_right) as server:
        done = run("label", store.folder, "--source", "judge", "--base-url", server.url, "--judge-model", "m")
    assert done.exit_code == 0, done.output
    assert "28 tokens" in " ".join(done.output.split()) and KEY not in done.output
    assert {request["headers"]["Authorization"] for request in server.requests} == {f"Bearer {KEY}"}
    assert len(server.requests) == 4
    assert set(labels(store, "judge")) == {1.0}
    done = run("label", store.folder, "--source", "consensus", "--of", "oracle", "--of", "judge")
    assert done.exit_code == 0, done.output
    both = zip(labels(store, "oracle"), labels(store, "consensus"), strict=True)
    assert all(agreed == 1 if true else math.isnan(agreed) for true, agreed in both)
    assert "steps without a label" in " ".join(done.output.split())


def test_a_judge_that_refuses_is_told_in_one_sentence(run: Run, store: Store) -> None:
    with serve([Answer(status=404)]) as server:
        done = run("label", store.folder, "--source", "judge", "--base-url", server.url, "--judge-model", "m")
    assert done.exit_code == 2
    assert "refused the request (404 Not Found)" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--source", "oracel"), "Unknown source 'oracel'"),
        (("--source", "outcome", "--n", "4"), "--n means nothing to the source outcome"),
        (("--source", "monte_carlo", "--name", "../mine"), "Labels cannot be called '../mine'"),
        (("--source", "judge", "--base-url", "http://localhost"), "The source judge needs --judge-model"),
        (("--source", "judge", "--base-url", "localhost", "--judge-model", "m"), "must begin with http://"),
        (
            ("--source", "judge", "--base-url", "http://localhost", "--judge-model", "m", "--key-variable", "NOT_SET"),
            "The environment variable NOT_SET is empty",
        ),
        (("--source", "consensus"), "has no labels 'monte_carlo'"),
        (("--source", "consensus", "--of", "oracle"), "give --of twice"),
    ],
)
def test_a_wrong_option_is_told_in_one_sentence(run: Run, store: Store, options: tuple[str, ...], fault: str) -> None:
    done = run("label", store.folder, *options)
    assert done.exit_code == 2
    assert fault in " ".join(done.output.split())


def test_labels_are_not_overwritten(run: Run, store: Store) -> None:
    run("label", store.folder, "--source", "outcome")
    done = run("label", store.folder, "--source", "oracle", "--name", "outcome")
    assert done.exit_code == 2 and "has labels 'outcome' already" in " ".join(done.output.split())
    assert set(labels(store, "outcome")) <= {0.0, 1.0}


def test_a_folder_without_rollouts_is_told(run: Run, tmp_path: Path) -> None:
    done = run("label", tmp_path, "--source", "outcome")
    assert done.exit_code == 2 and "holds no rollouts" in " ".join(done.output.split())
