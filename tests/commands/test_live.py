import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from reflectgen.commands.live import LINES, Board, board
from reflectgen.config import Sampling
from reflectgen.engine.branch import Branch
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.search import Request, Strategy
from reflectgen.search.beam import beam
from reflectgen.search.best_of_n import best_of_n
from reflectgen.types import Problem

GOOD = Script("Two and two.\n\nThat is 4.\n\n</think>", reply="\\boxed{4}", logits=(1.0, 2.0), logprobs=(-0.5,))
POOR = Script("Two and two.\n\nThat is 5.\n\n</think>", reply="\\boxed{5}", logits=(1.0, -1.0), logprobs=(-0.25,))
BROKEN = Script("Two and two.\n\n</think>", fails_at=2)


async def search(observe: Callable[[Branch], None], k: int, strategy: Strategy = best_of_n, **settings: Any) -> None:
    engine, problem = ScriptedEngine([POOR, GOOD, BROKEN]), Problem(text="2 + 2?")
    prompt = tuple(engine.encode(problem.text))
    asked = Request(
        problem=problem, prompt=prompt, k=k, select="sprm", sampling=Sampling(), observe=observe, settings=settings
    )  # fmt: skip
    await strategy(engine, asked)


async def drawn(k: int, strategy: Strategy = best_of_n, **settings: Any) -> list[str]:
    shown = Board()
    await search(shown.observe, k, strategy, **settings)
    return lines_of(shown)


def lines_of(shown: Board) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=80).print(shown.draw())
    return [line.rstrip() for line in file.getvalue().splitlines()]


async def test_branches_stand_in_the_order_of_their_running_scores() -> None:
    lines = await drawn(3)
    assert lines[0] == "2 thinkings done, 0 live, 1 failed"
    assert lines[1].split() == ["branch", "score", "log-prob", "steps", "tokens", "state"]
    # sqrt(sigmoid(1) sigmoid(2)), sqrt(sigmoid(1) sigmoid(-1)), and none
    assert [line.split()[:3] for line in lines[2:]] == [
        ["1", "0.802", "-0.500"],
        ["0", "0.443", "-0.250"],
        ["2", "0.000", "-1.000"],
    ]
    assert [line.split()[-1] for line in lines[2:]] == ["finished", "finished", "failed"]


async def test_it_stays_within_a_screen() -> None:
    assert len(await drawn(40)) == 2 + LINES


async def test_forks_are_counted_and_cancelled_branches_stand_last() -> None:
    lines = await drawn(8, beam, expand=2)
    assert lines[0] == "1 thinking done, 0 live, 7 cancelled, 2 failed"
    states = [line.split()[-1] for line in lines[2:]]
    assert states.count("cancelled") == 7 and states[-7:] == ["cancelled"] * 7


async def test_those_that_have_not_written_a_step_are_live_and_answering_ones_are_done() -> None:
    shown, told = Board(), list[str]()

    def observe(branch: Branch) -> None:
        shown.observe(branch)
        told.append(lines_of(shown)[0])

    await search(observe, 2)
    assert (told[0], told[-1]) == ("0 thinkings done, 2 live", "2 thinkings done, 0 live")


def test_before_anything_was_seen_there_is_an_empty_board() -> None:
    assert lines_of(Board())[0] == "0 thinkings done, 0 live"


def test_away_from_a_terminal_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with board() as shown:
        assert isinstance(shown, Board)
    assert capsys.readouterr() == ("", "")
