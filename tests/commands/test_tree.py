"""A search as a tree: searches over scripts, so that every number can be told by hand."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from reflectgen import Reflector
from reflectgen.commands.tree import draw
from reflectgen.engine.base import Engine
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.search import Request
from reflectgen.search.pool import Pool
from reflectgen.types import Result, Trajectory

GOOD = Script("Two and two.\n\nThat is 4.\n\n</think>", reply="\\boxed{4}", logits=(2.0, 2.0))
POOR = Script("Twenty-two?\n\nThat is 22.\n\n</think>", reply="\\boxed{22}", logits=(-2.0, 3.0))
LONG = Script("One.\n\nTwo.\n\nThree.\n\nFour.\n\n</think>", reply="\\boxed{4}", logits=(1.0, 2.0, 1.0, 2.0))


def solve(*scripts: Script, **options: Any) -> Result:
    engine = ScriptedEngine(scripts)
    with Reflector(engine, engine.encode) as model:
        return model.solve("2 + 2?", **options)


def drawn(result: Result, width: int = 80) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(draw(result))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_branches_of_the_same_fate_stand_each_on_a_line_with_the_chosen_one_marked() -> None:
    lines = drawn(solve(POOR, GOOD, k=2))
    assert lines[0] == "best_of_n: 2 branches, 30 tokens"
    assert lines[1] == "├─ 0  0.119  22  15 tokens, closed at 18"
    assert lines[2] == "└─ → 1  0.881  4  15 tokens, closed at 18"


async def forking(engine: Engine, request: Request) -> Result:
    """One branch, two forks after its first step, one of them given up, and a branch more."""
    with Pool(engine, request, 1, "step") as pool:
        await pool.step(pool.branches)
        forks = pool.fork(pool.branches[0], 2)
        await pool.step(forks)
        pool.cancel(forks[:1], "no luck")
        await pool.think_and_answer(pool.candidates)
        await pool.think_and_answer(pool.add(1))
        return await pool.conclude("forking", pool.candidates)


async def ways(engine: Engine, request: Request) -> Result:
    """Branches that are given up with a reason and without, and one that nobody lets go on."""
    with Pool(engine, request, 7, "step") as pool:
        await pool.step(pool.branches[:6])
        pool.cancel(pool.branches[:3], "weak")
        pool.cancel(pool.branches[3:5], "weaker")
        return request.result("ways", request.choose(()), request.freeze(pool.branches), pool.tree.cost, pool.trace)


def test_a_fork_stands_below_its_parent_with_its_step_and_tokens_of_its_own() -> None:
    result = solve(GOOD, POOR, k=1, strategy=f"{__name__}:forking")
    lines = drawn(result)
    first = result.trajectories[0].steps[0].token_span[1]
    assert lines[0] == f"forking: 4 branches, {result.cost.tokens_generated} tokens"
    assert lines[1].startswith("├─ → 0  0.881  4  15 tokens, closed at ")
    assert lines[2].startswith("│  ├─ 0.0 at step 1  0.881  -  ") and lines[2].endswith(": no luck")
    assert lines[3].startswith("│  └─ 0.1 at step 1  ")
    assert f"{result.trajectories[2].tokens} tokens" not in lines[3] and first > 0
    assert lines[4].startswith("└─ 1 begun at ")


def test_cancelled_siblings_of_one_reason_become_one_line_where_they_are_many() -> None:
    lines = drawn(solve(GOOD, POOR, k=7, strategy=f"{__name__}:ways"))
    assert lines[1].startswith("├─ + 3 cancelled: weak, ") and lines[1].endswith(" tokens")
    assert [line.split(": ")[-1] for line in lines[2:4]] == ["weaker", "weaker"]
    assert lines[4].endswith("tokens, left unfinished") and lines[5].endswith("tokens, left unfinished")


@pytest.mark.parametrize("strategy", ["best_of_n", "beam", "dvts", "mcts", "pruned", "adaptive", "deepconf", "esc"])
def test_the_branches_own_tokens_add_up_to_the_cost(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reflectgen.commands.tree.MANY", 1000)
    result = solve(LONG, POOR, GOOD, k=8, strategy=strategy)
    lines = drawn(result, width=1000)
    counted = [int(line.split(" tokens, ")[0].split()[-1].replace(",", "")) for line in lines[1:]]
    assert len(counted) == len(result.trajectories)
    assert sum(counted) == result.cost.tokens_generated


def test_what_was_forced_again_and_again_is_told_once() -> None:
    lines = drawn(solve(GOOD, k=1, strategy="budget", settings={"least": 40, "times": 3}))
    told = " ".join(line.strip("└─ ") for line in lines[1:])
    assert "forced 3 times, last at " in told and told.count("closed before 40 tokens") == 1


def test_a_strategy_without_a_trace_tells_how_branches_ended() -> None:
    result = replace(solve(POOR, GOOD, k=2), trace=())
    assert [line.split(", ")[-1] for line in drawn(result)[1:]] == ["stop", "stop"]


def test_a_deep_search_stays_within_the_screen() -> None:
    one = solve(POOR, k=1)
    names = ["0" + ".0" * depth for depth in range(60)]
    chain = [replace(one.trajectories[0], id=name, parent=parent) for name, parent in zip(names, [None, *names], strict=False)]
    lines = drawn(replace(one, trajectories=tuple(chain), trace=()))
    assert 60 < len(lines) < 120 and max(map(len, lines)) <= 80


def test_a_long_answer_is_cut_to_one_line() -> None:
    one = solve(POOR, k=1)
    wordy: Trajectory = replace(one.trajectories[0], answer="def f():\n    return " + "1 + " * 20)
    line = drawn(replace(one, trajectories=(wordy,)))[1]
    assert "def f(): return 1 + 1 +…" in line
