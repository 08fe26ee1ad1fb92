"""Replays: what a strategy does over stored thinkings is what it did, or would have done, on the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from evaluate.played import DEAD, GOOD, PROBLEMS, played

from reflectgen import search
from reflectgen.config import PromptConfig
from reflectgen.errors import InputError, OptionError
from reflectgen.evaluate import replay
from reflectgen.evaluate.replay import replayed
from reflectgen.evaluate.runner import Job, rollout
from reflectgen.load import load
from reflectgen.reflector import Options, Reflector
from reflectgen.rollouts import Store, merge
from reflectgen.tasks import TASKS
from reflectgen.types import Result

TASK = TASKS["jsonl"]
WAYS: list[tuple[str, Mapping[str, Any]]] = [
    *((name, {}) for name in search.REPLAYED),
    ("pruned", {"rule": "prefix", "keep": 0.25}),
    ("pruned", {"rule": "bound"}),
]


@pytest.fixture
def model() -> Iterator[Reflector]:
    with played() as model:
        yield model


def sampled(model: Reflector, folder: Path, **changes: Any) -> Store:
    return rollout(model, Job(**{"task": TASK, "problems": PROBLEMS, "k": 8, **changes}), folder)


def happenings(result: Result) -> list[tuple[str, str, int, str]]:
    return sorted((event.branch, event.what, event.step, event.why) for event in result.trace)


def check_same(replay: Result, live: Result) -> None:
    """Equal but for what a replay does not measure, roundings of float32, and the order of what happens at the same time."""
    assert (replay.answer, replay.choice.index, replay.strategy) == (live.answer, live.choice.index, live.strategy)
    assert replay.choice.values == pytest.approx(live.choice.values, abs=1e-6)
    assert happenings(replay) == happenings(live)
    assert replay.cost.tokens_generated == live.cost.tokens_generated
    for one, other in zip(replay.trajectories, live.trajectories, strict=True):
        same = ("id", "token_ids", "text", "answer", "finish", "error", "forced_spans")
        assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]
        assert (one.score, one.logprob) == pytest.approx((other.score, other.logprob), abs=1e-6)
        if (
            not one.steps or one.steps[-1].token_span[1] <= one.tokens
        ):  # else its last step has the closing tag's confidence too
            assert one.confidence == pytest.approx(other.confidence, abs=1e-5)


@pytest.mark.parametrize("select", ["sprm", "weighted", "majority"])
@pytest.mark.parametrize(("strategy", "settings"), WAYS)
def test_a_replay_does_what_the_model_does(
    model: Reflector, tmp_path: Path, strategy: str, settings: Mapping[str, Any], select: str
) -> None:
    options = Options(strategy=strategy, settings=settings, select=select, k=6)
    with replayed(model, PROBLEMS, sampled(model, tmp_path)) as player:
        check_same(player.solve(PROBLEMS[0], **options), model.solve(PROBLEMS[0], **options))


@pytest.mark.timeout(300)
def test_a_replay_of_the_bundled_model_does_what_it_does(tmp_path: Path) -> None:
    task = TASKS["wordproblems"]
    problems = task.load(None, "test", 2, 5)
    sampling = Options(temperature=2.0, max_tokens=90)  # so hot that no two steps are alike: roundings decide nothing
    with load("tiny", prompt=task.prompt) as model:
        store = rollout(model, Job(task=task, problems=problems, k=6, seed=3, sampling=sampling), tmp_path)
        with replayed(model, problems, store) as player:
            assert player.sampling.temperature == 2.0 and player.identity == model.identity
            for strategy, settings in WAYS:
                options = Options(
                    **{**sampling, "strategy": strategy, "settings": settings, "select": "sprm", "k": 6, "seed": 3}
                )
                live = {result.problem.id: result for result in model.solve_together(problems, **options)}
                for result in player.solve_together(problems, **options):
                    check_same(result, live[result.problem.id])


def test_a_failed_thinking_fails_where_it_failed(tmp_path: Path) -> None:
    with played(GOOD, DEAD) as model, replayed(model, PROBLEMS, sampled(model, tmp_path)) as player:
        result = player.solve(PROBLEMS[1], k=2)
    assert [(one.finish, one.error) for one in result.trajectories] == [
        ("stop", None),
        ("failed", "The script fails after 2 tokens."),
    ]


def test_a_compact_store_is_replayed_with_rounded_log_probs(model: Reflector, tmp_path: Path) -> None:
    with replayed(model, PROBLEMS, sampled(model, tmp_path, compact=True)) as player:
        check_same(player.solve(PROBLEMS[2], k=4), model.solve(PROBLEMS[2], k=4))


def test_without_a_head_steps_have_no_scores(tmp_path: Path) -> None:
    with played(has_head=False) as model, replayed(model, PROBLEMS, sampled(model, tmp_path)) as player:
        result = player.solve(PROBLEMS[0], k=3)
    assert result.select == "majority"
    assert {step.score for one in result.trajectories for step in one.steps} == {None}


def test_grades_of_a_separate_model_are_in_the_store_too(model: Reflector, tmp_path: Path) -> None:
    store, live = sampled(model, tmp_path), model.solve(PROBLEMS[0], k=4, strategy="pruned")
    model.engine.grammar = replace(model.engine.grammar, separate=True)
    with replayed(model, PROBLEMS, store) as player:
        check_same(player.solve(PROBLEMS[0], k=4, strategy="pruned"), live)


def test_traces_of_one_seed_are_played_and_more_than_are_kept(
    model: Reflector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "KEPT", 2)
    stores = [sampled(model, tmp_path / "0", k=2), sampled(model, tmp_path / "1", k=3, seed=1)]
    store = merge(stores, tmp_path / "both")
    with replayed(model, PROBLEMS, store, seed=1) as player:
        assert len(list(player.solve_together(PROBLEMS, k=3))) == 5
        with pytest.raises(OptionError, match="The store has 3 thinkings a problem, too few: give a smaller k"):
            player.solve(PROBLEMS[0], k=4)
    with replayed(model, PROBLEMS, store) as player:
        assert player.solve(PROBLEMS[0], k=5).trajectories[4].error is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"identity": {"backbone": "none-1x1-1"}}, r'another backbone \("none-1x1-0" against "none-1x1-1"\)'),
        ({"identity": {"head": ""}}, r'another head \("sprm-0" against none\)'),
        ({"identity": {"dtype": "bfloat16"}}, "another dtype"),
        ({"identity": {"prompt": PromptConfig(system="T")}}, "another prompt"),
        ({"step_rule": "newline"}, "another step rule"),
    ],
)
def test_a_store_of_another_model_is_refused(model: Reflector, tmp_path: Path, change: dict[str, Any], told: str) -> None:
    store = sampled(model, tmp_path)
    with played(**change) as other, pytest.raises(InputError, match=f"was filled with {told}.*so it cannot be replayed here"):
        replayed(other, PROBLEMS, store)


def test_a_store_of_other_problems_is_refused(model: Reflector, tmp_path: Path) -> None:
    store = sampled(model, tmp_path)
    for problem, seed, told in [
        (replace(PROBLEMS[0], id="p9"), None, "no thinkings of the problem 'p9', or of another prompt"),
        (replace(PROBLEMS[0], text="9?"), None, "no thinkings of the problem 'p0', or of another prompt"),
        (PROBLEMS[0], 7, "no thinkings of the problem 'p0' with seed 7"),
    ]:
        with pytest.raises(InputError, match=told):
            replayed(model, [problem], store, seed=seed)
