import io

import pytest
from rich.console import Console

from reflectgen.commands.live import LINES, Board, board
from reflectgen.config import Sampling
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.search import Request, best_of_n
from reflectgen.types import Problem

GOOD = Script("Two and two.\n\nThat is 4.\n\n</think>", reply="\\boxed{4}", logits=(1.0, 2.0), logprobs=(-0.5,))
POOR = Script("Two and two.\n\nThat is 5.\n\n</think>", reply="\\boxed{5}", logits=(1.0, -1.0), logprobs=(-0.25,))
BROKEN = Script("Two and two.\n\n</think>", fails_at=2)


async def drawn(k: int) -> list[str]:
    engine, shown = ScriptedEngine([POOR, GOOD, BROKEN]), Board(k)
    problem = Problem(text="2 + 2?")
    prompt = tuple(engine.encode(problem.text))
    await best_of_n(
        engine, Request(problem=problem, prompt=prompt, k=k, select="sprm", sampling=Sampling(), observe=shown.observe)
    )
    file = io.StringIO()
    Console(file=file, width=80).print(shown.draw())
    return [line.rstrip() for line in file.getvalue().splitlines()]


async def test_branches_stand_in_the_order_of_their_running_scores() -> None:
    lines = await drawn(3)
    assert lines[0] == "3 of 3 thinkings done"
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


def test_away_from_a_terminal_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with board(2) as shown:
        assert isinstance(shown, Board)
    assert capsys.readouterr() == ("", "")
