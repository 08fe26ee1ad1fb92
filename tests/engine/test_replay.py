"""Stored thinkings are played again: each strategy decides over them as it did while they were drawn."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

import reflectgen
from reflectgen import Reflector, search
from reflectgen.config import Sampling
from reflectgen.engine.base import Engine
from reflectgen.engine.pieces import PieceTokenizer
from reflectgen.engine.replay import Recording, ReplayEngine
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.errors import InputError, OptionError
from reflectgen.search import Request
from reflectgen.tasks import wordproblems
from reflectgen.types import Problem, Result, Trajectory

K = 8
Cases = Sequence[tuple[str, Mapping[str, Any]]]
REPLAYED: Cases = [
    ("best_of_n", {}),
    ("pruned", {"rule": "halving"}),
    ("pruned", {"rule": "prefix", "start": 2}),
    ("pruned", {"rule": "bound", "start": 2, "margin": 0.2}),
    ("adaptive", {}),
    ("adaptive", {"live": 2, "settled": 0.7}),
    ("deepconf", {}),
    ("deepconf", {"window": 1, "live": 2}),
    ("deepconf", {"window": 3, "keep": 0.9}),
    ("esc", {"window": 3}),
]
NAMES = [strategy for strategy, _ in REPLAYED]
SCRIPTS = [
    Script("One is.\n\nTwo are three.\n\nEnd.\n\n</think>", "\\boxed{4}", (1.0, 2.0, 0.5), (-0.1, -0.7), (3.0, 1.5, 0.3)),
    Script("Six.\n\nSeven.\n\n</think>", "\\boxed{5}", (-1.0, 0.25), (-0.3, -0.2, -1.1), (0.7, 1.9)),
    Script("And so it is.\n\nThen on and on and on and on and on and on and on", "eh", (0.5,), (-0.4,), (2.0, 1.0, 3.0)),
    Script("Ten.\n\nEleven", "\\boxed{4}", (2.0, 1.5), (-0.9, -0.05), (1.1, 2.2, 0.9)),
    Script("Odd.\n\nEven.\n\nNo more.\n\n</think>", "\\boxed{4}", (0.1, -2.0, 3.0), (-0.6,), (0.4, 2.4, 1.2, 1.3)),
]
"""Closed by the tag, by the limit of 16 tokens and by the end of text."""
SAMPLING = Sampling(max_tokens=16)


def recording(trajectory: Trajectory) -> Recording:
    return Recording(
        token_ids=trajectory.token_ids,
        token_logprobs=trajectory.token_logprobs,
        steps=trajectory.steps,
        confidence=trajectory.confidence,
        tokens=trajectory.tokens,
        forced_spans=trajectory.forced_spans,
        error=trajectory.error,
    )


def request(engine: ScriptedEngine, text: str = "What is 2 + 2?", **settings: Any) -> Request:
    defaults: dict[str, Any] = {"k": K, "select": "sprm", "sampling": SAMPLING}
    return Request(problem=Problem(text=text), prompt=tuple(engine.encode(text)), **{**defaults, **settings})


async def stored(engine: ScriptedEngine, **settings: Any) -> tuple[ReplayEngine, Request, Result]:
    """A replay of what best-of-8 draws."""
    asked = request(engine, **settings)
    result = await search.best_of_n(engine, asked)
    return (
        ReplayEngine(
            engine.grammar, engine.context, {asked.prompt: [recording(trajectory) for trajectory in result.trajectories]}
        ),
        asked,
        result,
    )


async def both(live: Engine, replay: Engine, strategy: str, asked: Request) -> Result:
    """The replayed result, which is the live one; of thinkings that wrote the same a model's rounding may choose another."""
    drawn, played = [await search.named(strategy)(engine, asked) for engine in (live, replay)]
    assert played.answer == drawn.answer
    assert played.cost.tokens_generated == drawn.cost.tokens_generated
    assert (played.chosen is None) == (drawn.chosen is None)
    if played.chosen is not None and drawn.chosen is not None:
        assert played.chosen.token_ids == drawn.chosen.token_ids
    if isinstance(live, ScriptedEngine):
        assert played.choice.index == drawn.choice.index
    assert played.choice.share == pytest.approx(drawn.choice.share, abs=1e-6)
    assert told(played) == told(drawn)
    for one, other in zip(played.trajectories, drawn.trajectories, strict=True):
        same(one, other)
    return played


def told(result: Result) -> list[tuple[str, str, int]]:
    """What happened to each branch and at which step; in which order depends on the engine."""
    return sorted((event.branch, event.what, event.step) for event in result.trace)


def same(one: Trajectory, other: Trajectory) -> None:
    for name in ("id", "thinking", "reply", "answer", "finish", "tokens"):
        assert getattr(one, name) == getattr(other, name)
    assert kept(one) == kept(other)
    assert [step.token_span for step in one.steps] == [step.token_span for step in other.steps]
    for name in ("score", "logprob", "confidence"):
        measured, expected = [[getattr(part, name) for part in (each, *each.steps)] for each in (one, other)]
        if None in expected:
            assert measured == expected
        else:
            assert measured == pytest.approx(expected, abs=1e-6, rel=1e-6)


def kept(trajectory: Trajectory) -> tuple[int, ...]:
    """All tokens of one that answered, else those of the thinking: an end of text that closed it is not stored."""
    return trajectory.token_ids if trajectory.reply else trajectory.token_ids[: trajectory.tokens]


@pytest.mark.parametrize("chosen_by", ["sprm", "weighted", "majority", "weighted:confidence"])
@pytest.mark.parametrize(("strategy", "settings"), REPLAYED)
async def test_a_replay_is_what_was_drawn(strategy: str, settings: dict[str, Any], chosen_by: str) -> None:
    engine = ScriptedEngine(SCRIPTS)
    replay, asked, _ = await stored(engine)
    await both(engine, replay, strategy, replace(asked, settings=settings, select=chosen_by))
    assert replay.held == 0


@pytest.mark.parametrize("grammar", [{"tags": None}, {"offset": 0}, {"has_head": False}, {"step_rule": "newline"}])
async def test_it_is_so_under_every_grammar(grammar: dict[str, Any]) -> None:
    engine = ScriptedEngine(SCRIPTS, **grammar)
    replay, asked, _ = await stored(engine, select="weighted:confidence")
    for strategy, settings in REPLAYED:
        await both(engine, replay, strategy, replace(asked, settings=settings))


@pytest.mark.parametrize(
    ("text", "grammar"),
    [("Just so</think>", {}), ("One.\n\nTwo so</think>", {"grade_end": True}), ("<think>One.\n\nTwo.\n\n</think>", {})],
)
async def test_a_thinkings_confidence_is_the_stored_one_also_at_its_tags(text: str, grammar: dict[str, Any]) -> None:
    engine = ScriptedEngine([Script(text, "\\boxed{4}", confidences=(9.0, 2.0, 7.0, 1.0, 5.0))], **grammar)
    replay, asked, _ = await stored(engine)
    await both(engine, replay, "best_of_n", asked)


async def test_a_closing_tag_that_was_forced_costs_nothing_again() -> None:
    words = PieceTokenizer([script.text for script in SCRIPTS], specials=())
    engine = ScriptedEngine(SCRIPTS, tokenizer=words)
    replay, asked, _ = await stored(engine)
    await both(engine, replay, "best_of_n", asked)


async def test_a_replay_costs_what_was_drawn_up_to_where_a_strategy_stopped() -> None:
    replay, asked, whole = await stored(ScriptedEngine(SCRIPTS))
    less = await search.pruned(replay, asked)
    assert 0 < less.cost.tokens_generated < whole.cost.tokens_generated
    full = {trajectory.id: trajectory.token_ids for trajectory in whole.trajectories}
    for trajectory in less.trajectories:
        assert trajectory.token_ids == full[trajectory.id][: len(trajectory.token_ids)]


def test_there_is_a_case_for_every_strategy_that_is_replayed() -> None:
    assert set(NAMES) == set(search.REPLAYED)


@pytest.mark.parametrize(("strategy", "settings"), [("beam", {}), ("dvts", {"expand": 2}), ("mcts", {})])
async def test_a_strategy_that_forks_is_told_why_it_cannot(strategy: str, settings: dict[str, Any]) -> None:
    replay, asked, _ = await stored(ScriptedEngine(SCRIPTS))
    with pytest.raises(OptionError, match=r"^A strategy that forks draws tokens that were not stored: run it on the model\.$"):
        await search.named(strategy)(replay, replace(asked, settings=settings))
    assert replay.held == 0


async def test_what_is_forced_goes_on_otherwise_than_it_was_stored() -> None:
    replay, asked, _ = await stored(ScriptedEngine(SCRIPTS))
    result = await search.named("budget")(replay, replace(asked, settings={"least": 12}))
    errors = {trajectory.error for trajectory in result.trajectories if trajectory.finish == "failed"}
    assert errors == {"It would go on otherwise than it was stored."}


@pytest.mark.parametrize(
    "strategy",
    ["best_of_n", "adaptive", "esc"],
)
async def test_more_thinkings_than_were_stored_are_told_to_be_too_many(strategy: str) -> None:
    replay, asked, _ = await stored(ScriptedEngine(SCRIPTS[:2]))
    with pytest.raises(OptionError, match=r"^The store has 8 thinkings a problem, too few: give a smaller k\.$"):
        await search.named(strategy)(replay, replace(asked, k=K + 1, select="majority", settings={}))
    assert replay.held == 0


async def test_a_prompt_that_was_not_stored_is_refused() -> None:
    engine = ScriptedEngine(SCRIPTS)
    replay, *_ = await stored(engine)
    with pytest.raises(InputError, match="no thinkings of this prompt"):
        await search.best_of_n(replay, request(engine, "What is 3 + 3?"))


async def test_a_text_is_not_graded_by_a_store() -> None:
    replay, asked, _ = await stored(ScriptedEngine(SCRIPTS))
    with pytest.raises(OptionError, match="A replay grades nothing"):
        await replay.score(asked.prompt, asked.prompt)


@pytest.mark.parametrize("fails_at", [0, 2, 5])
async def test_a_stored_failure_fails_again(fails_at: int) -> None:
    broken = replace(SCRIPTS[0], fails_at=fails_at)
    engine = ScriptedEngine([broken, *SCRIPTS[1:]])
    replay, asked, whole = await stored(engine)
    assert whole.trajectories[0].error == f"The script fails after {fails_at} tokens."
    for strategy, settings in REPLAYED:
        result = await both(engine, replay, strategy, replace(asked, settings=settings, select="majority"))
        assert result.trajectories[0].error in (None, whole.trajectories[0].error)
    assert (await search.best_of_n(replay, asked)).trajectories[0].error == whole.trajectories[0].error


@pytest.fixture(scope="module")
def tiny() -> Iterator[Reflector]:
    with reflectgen.load("tiny", device="cpu", dtype="float32") as model:
        yield model


async def replayed(model: Reflector, problem: Problem, cases: Cases) -> None:
    """Draw the problem's thinkings and try the cases on them."""
    asked = model.request(problem, k=K, temperature=1.0)
    whole = await search.best_of_n(model.engine, asked)
    replay = ReplayEngine(
        model.engine.grammar, model.engine.context, {asked.prompt: [recording(one) for one in whole.trajectories]}
    )
    for strategy, settings in cases:
        await both(model.engine, replay, strategy, replace(asked, settings=settings))


async def all_replayed(model: Reflector, cases: Cases) -> None:
    await asyncio.gather(*(replayed(model, problem, cases) for problem in islice(wordproblems.problems("test", 0), 3)))


def test_the_bundled_model_is_replayed(tiny: Reflector) -> None:
    tiny._background.run(all_replayed(tiny, [case for case in REPLAYED if case[0] != "deepconf"]))


def test_so_is_its_confidence(tiny: Reflector) -> None:
    tiny._background.run(all_replayed(tiny, [case for case in REPLAYED if case[0] == "deepconf"]))
