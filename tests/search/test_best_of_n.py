"""Best-of-N over scripted branches: who wins, what it costs, what becomes of failures."""

from typing import Any

import pytest

from reflectgen.config import Sampling
from reflectgen.engine.branch import Branch
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.errors import InputError, OptionError
from reflectgen.search import best_of_n, named
from reflectgen.search.base import Request
from reflectgen.types import Problem, Result

GOOD = Script("Two and two.\n\nThat is 4.\n\n</think>", reply="\\boxed{4}", logits=(1.0, 2.0), logprobs=(-0.5,))
POOR = Script("Two and two.\n\nThat is 5.\n\n</think>", reply="\\boxed{5}", logits=(1.0, -1.0), logprobs=(-0.25,))
BROKEN = Script("Two and two.\n\nThat is 4.\n\n</think>", reply="\\boxed{4}", logits=(3.0,), fails_at=2)


def request(engine: ScriptedEngine, **settings: Any) -> Request:
    defaults: dict[str, Any] = {"k": 3, "select": "sprm", "sampling": Sampling()}
    problem = Problem(text="What is 2 + 2?")
    return Request(problem=problem, prompt=tuple(engine.encode(problem.text)), **{**defaults, **settings})


async def solve(scripts: list[Script], **settings: Any) -> Result:
    engine = ScriptedEngine(scripts)
    result = await best_of_n(engine, request(engine, **settings))
    assert engine.held == 0
    return result


async def test_the_best_score_wins_and_majority_may_differ() -> None:
    best = await solve([POOR, POOR, GOOD])
    assert (best.answer, best.choice.index, best.strategy, best.select) == ("4", 2, "best_of_n", "sprm")
    # sqrt(sigmoid(1) * sigmoid(2)) = sqrt(0.731059 * 0.880797)
    assert best.choice.values[2] == pytest.approx(0.802443, abs=1e-6)
    voted = await solve([POOR, POOR, GOOD], select="majority")
    assert (voted.answer, voted.choice.share) == ("5", pytest.approx(2 / 3))


async def test_every_branch_answers_and_every_token_is_counted() -> None:
    result = await solve([GOOD, POOR])
    assert [trajectory.answer for trajectory in result.trajectories] == ["4", "5", "4"]
    assert all(trajectory.finish == "stop" for trajectory in result.trajectories)
    assert result.cost.tokens_generated == sum(len(trajectory.token_ids) for trajectory in result.trajectories)


async def test_only_the_chosen_one_answers_and_that_is_cheaper() -> None:
    every, chosen = await solve([POOR, GOOD]), await solve([POOR, GOOD], answer="chosen")
    assert chosen.answer == every.answer == "4"
    assert chosen.choice.index == every.choice.index == 1
    assert [trajectory.reply for trajectory in chosen.trajectories] == ["", "\\boxed{4}", ""]
    assert [trajectory.thinking for trajectory in chosen.trajectories] == [one.thinking for one in every.trajectories]
    pairs = zip(every.trajectories, chosen.trajectories, strict=True)
    replies = [len(one.token_ids) - len(other.token_ids) for one, other in pairs]
    assert replies[1] == 0 and replies[0] == replies[2] > 0
    assert every.cost.tokens_generated - chosen.cost.tokens_generated == sum(replies)


@pytest.mark.parametrize("settings", [{"select": "majority"}, {"abstain_below": 0.5}])
async def test_what_compares_answers_needs_all_of_them(settings: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="every thinking must have one"):
        await solve([GOOD], answer="chosen", **settings)


async def test_a_failed_branch_is_a_record_and_never_wins() -> None:
    result = await solve([POOR, BROKEN])
    assert [trajectory.finish for trajectory in result.trajectories] == ["stop", "failed", "stop"]
    assert "fails after 2 tokens" in (result.trajectories[1].error or "")
    assert result.answer == "5"


async def test_where_all_fail_there_is_no_answer() -> None:
    for answer in ("all", "chosen"):
        result = await solve([BROKEN], answer=answer)
        assert result.answer is None
        assert all(trajectory.finish == "failed" for trajectory in result.trajectories)


async def test_it_abstains_below_the_share_that_is_asked_for() -> None:
    result = await solve([GOOD, POOR, Script("Eh.\n\n</think>", reply="\\boxed{6}")], select="majority", abstain_below=0.5)
    assert (result.answer, result.chosen, result.choice.share) == (None, None, pytest.approx(1 / 3))


async def test_the_observer_sees_every_step_and_the_end() -> None:
    seen: list[tuple[str, int, str]] = []

    def observe(branch: Branch) -> None:
        seen.append((branch.id, len(branch.steps), branch.state))

    await solve([GOOD], k=1, observe=observe)
    assert [(name, steps) for name, steps, _ in seen] == [("0", 0), ("0", 1), ("0", 2), ("0", 2), ("0", 2)]
    assert [state for _, _, state in seen][-2:] == ["closed", "finished"]


async def test_an_error_of_the_observer_frees_every_branch() -> None:
    engine = ScriptedEngine([GOOD])

    def observe(branch: Branch) -> None:
        raise RuntimeError("the observer's own")

    with pytest.raises(RuntimeError, match="the observer's own"):
        await best_of_n(engine, request(engine, observe=observe))
    assert engine.held == 0


async def test_an_empty_prompt_is_the_engines_to_refuse() -> None:
    engine = ScriptedEngine([GOOD])
    bad = Request(problem=Problem(text=" "), prompt=(), k=1, select="sprm", sampling=Sampling())
    with pytest.raises(InputError):
        await best_of_n(engine, bad)


def test_strategies_are_named() -> None:
    assert named("best_of_n") is best_of_n
    with pytest.raises(OptionError, match=r"Unknown strategy 'best_of_m'.*Did you mean 'best_of_n'\?"):
        named("best_of_m")
