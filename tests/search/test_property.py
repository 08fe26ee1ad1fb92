"""Whatever is written and whatever fails, every strategy keeps its budget, frees its branches and counts what was drawn."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search.rig import request

from reflectgen.config import Sampling
from reflectgen.engine.branch import Branch
from reflectgen.engine.scripted import DEFAULT_TAGS, Script, ScriptedEngine
from reflectgen.search import STRATEGIES, Request
from reflectgen.types import Result

SETTINGS: dict[str, list[dict[str, Any]]] = {
    "best_of_n": [{}],
    "beam": [{}, {"expand": 2}, {"expand": 3}],
    "dvts": [{}, {"expand": 2}, {"expand": 3}],
    "mcts": [{}, {"parallel": 1, "growth": 1.0}, {"widening": 3.0, "exploration": 0.0}, {"best": "visits", "parallel": 2}],
    "pruned": [{}, {"rule": "prefix", "start": 2}, {"rule": "bound", "margin": 0.1, "least": 1}, {"rule": "memory"}],
    "adaptive": [{}, {"live": 1, "settled": 0.6}],
    "budget": [{}, {"least": 20, "times": 2}, {"least": 5, "nudge": ".\n\nWait"}],
    "deepconf": [{}, {"warmup": 0.5, "window": 1, "consensus": 0.6}, {"live": 2}],
    "esc": [{}, {"window": 2}],
}
EXAMPLES = 40
"""Searches of each strategy."""


class CountingEngine(ScriptedEngine):
    """Counts what each branch drew, and keeps how long it was when it began."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.drawn: Counter[Branch] = Counter()
        self.begun: dict[Branch, int] = {}

    def wake(self, branch: Branch) -> None:
        self.begun.setdefault(branch, len(branch.ids))
        super().wake(branch)

    def _draw(self, branch: Branch, play: Any) -> None:
        super()._draw(branch, play)
        self.drawn[branch] += 1


def script(seed: int, tagged: bool) -> Script:
    """Ragged steps or none, with or without a closing tag, some of which fail."""
    rng = random.Random(seed)
    steps = [" ".join(rng.choices("abc", k=rng.randint(0, 4))) + ".\n\n" for _ in range(rng.randint(0, 5))]
    behind = rng.choice(["</think>", "", "so</think>", "so</think>a.\n\nb.\n\n</think>"]) if tagged else ""
    return Script(
        "".join(steps) + behind,
        reply=rng.choice(["\\boxed{1}", "\\boxed{2}", "eh", ""]),
        logits=tuple(rng.uniform(-3, 3) for _ in range(4)),
        logprobs=tuple(rng.uniform(-3, 0) for _ in range(4)),
        confidences=tuple(rng.uniform(0, 3) for _ in range(4)),
        fails_at=rng.choice([None, None, rng.randint(0, 12)]),
    )


@st.composite
def searches(draw: st.DrawFn, strategy: str) -> tuple[CountingEngine, dict[str, Any]]:
    tagged = draw(st.booleans())
    has_head = draw(st.sampled_from([True, True, False]))
    engine = CountingEngine(
        [script(seed, tagged) for seed in draw(st.lists(st.integers(0, 2**31), min_size=1, max_size=4))],
        tags=DEFAULT_TAGS if tagged else None,
        offset=draw(st.sampled_from([-1, 0])),
        grade_end=draw(st.booleans()),
        has_head=has_head,
        memory=draw(st.sampled_from([0, 40])),
    )
    k = draw(st.integers(1, 9))
    best, votes = (["sprm", "blend"], ["weighted", "majority"]) if has_head else (["logprob"], ["majority"])
    answer = draw(st.sampled_from(["all", "chosen"]))
    chosen_by = draw(st.sampled_from(best if answer == "chosen" else [*best, *votes]))
    own = draw(st.sampled_from(SETTINGS[strategy]))
    budget = draw(st.none() | st.integers(k, 150))
    return engine, {
        "k": k,
        "select": chosen_by,
        "answer": answer,
        "budget": None if own.get("rule") == "memory" else budget,  # test_pruned says why
        "settings": own,
        "sampling": Sampling(max_tokens=draw(st.integers(1, 30)), answer_tokens=draw(st.integers(1, 8))),
    }


async def run(strategy: str, engine: CountingEngine, given: dict[str, Any]) -> tuple[Request, Result]:
    asked = request(engine, **given)
    return asked, await asyncio.wait_for(STRATEGIES[strategy](engine, asked), timeout=60)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_whatever_is_written_it_is_counted_and_freed_and_the_budget_kept(strategy: str) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
    @given(searches(strategy))
    def holds(case: tuple[CountingEngine, dict[str, Any]]) -> None:
        engine, given = case
        asked, result = asyncio.run(run(strategy, engine, given))
        assert engine.held == 0
        assert len(result.trajectories) >= 1
        assert sum(trajectory.parent is None for trajectory in result.trajectories) <= asked.k
        assert asked.budget is None or result.cost.tokens_generated <= asked.budget
        check_count(engine, result)
        check_choice(result)
        check_trace(result)

    holds()


def check_count(engine: CountingEngine, result: Result) -> None:
    """Every branch holds what it drew itself, less the end of a thinking that was opened again."""
    assert result.cost.tokens_generated == engine.drawn.total()
    forced = Counter(event.branch for event in result.trace if event.what == "forced")
    for branch, drawn in engine.drawn.items():
        begun = engine.begun[branch]
        upon = sum(high - low for low, high in branch.forced if low >= begun)
        kept = len(branch.ids) - begun - upon
        assert kept <= drawn <= kept + forced[branch.id] + branch.answering


def check_choice(result: Result) -> None:
    """One that came to its end and was not given up is chosen, where there is such a one."""
    given_up = {event.branch for event in result.trace if event.what == "cancelled"}
    left = [trajectory for trajectory in result.trajectories if trajectory.id not in given_up]
    ended = [trajectory for trajectory in left if trajectory.finish in ("stop", "length")]
    if result.chosen is not None and ended:
        assert result.chosen in ended
        assert result.answer == result.chosen.answer


def check_trace(result: Result) -> None:
    """Every branch begins once and is named after that; tokens only grow."""
    names = [trajectory.id for trajectory in result.trajectories]
    begun: list[str] = []
    for event in result.trace:
        if event.what in ("started", "forked"):
            begun.append(event.branch)
        assert event.branch in begun
    assert sorted(begun) == sorted(names) and len(set(names)) == len(names)
    tokens = [event.tokens for event in result.trace]
    assert tokens == sorted(tokens)
