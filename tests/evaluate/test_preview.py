from pathlib import Path
from typing import Any

import pytest
import tiny_folder
from evaluate.played import PROBLEMS, played

from reflectgen.errors import CapacityError
from reflectgen.evaluate.cells import Contender
from reflectgen.evaluate.frontier import Evaluation
from reflectgen.evaluate.grid import Grid, runs
from reflectgen.evaluate.preview import preview
from reflectgen.evaluate.report import Report
from reflectgen.load import load, outline
from reflectgen.reflector import Options
from reflectgen.tasks import TASKS

CAP = Options(max_tokens=10)
THINKING = 10 + 1 + 512  # of the scripted engine: its closing tag is one token


def grid(*strategies: str, **changes: Any) -> Grid:
    given: dict[str, Any] = {
        "task": TASKS["jsonl"], "problems": PROBLEMS, "contenders": [*map(Contender.parse, strategies)], "sampling": CAP,
    }  # fmt: skip
    return Grid(**{**given, **changes})


@pytest.mark.parametrize(
    ("strategies", "changes", "thinkings"),
    [
        (["best_of_n"], {"ks": [2, 8]}, 8),
        (["best_of_n", "esc", "adaptive"], {"ks": [2, 8]}, 8),
        (["best_of_n"], {"ks": [2], "seeds": [0, 1, 2]}, 6),
        (["mcts"], {"ks": [4, 8]}, 12),
        (["best_of_n", "mcts"], {"ks": [4]}, 8),
        (["best_of_n"], {"ks": [4], "selects": ["sprm", "majority"], "live": True}, 4),
        (["mcts"], {"ks": [4], "selects": ["sprm", "majority"]}, 8),
    ],
)
def test_what_is_sampled_once_is_counted_once(strategies: list[str], changes: dict[str, Any], thinkings: int) -> None:
    with played() as model:
        found = preview(model, grid(*strategies, **changes))
    warmed = 4096 - 2 if changes.get("live") else 0
    assert found.most_tokens == len(PROBLEMS) * thinkings * THINKING + warmed
    assert found.unbounded == ()


def test_a_budget_bounds_every_strategy_and_some_have_no_other_bound() -> None:
    with played() as model:
        assert preview(model, grid("beam", "mcts", ks=[4])).unbounded == ("beam",)
        limited = preview(model, grid("beam", "mcts", ks=[4], budgets=[100]))
    assert limited.unbounded == () and limited.most_tokens == len(PROBLEMS) * 2 * 100


def test_runs_are_cells_that_differ_in_the_selector_alone() -> None:
    with played() as model:
        cells = grid("best_of_n", "mcts", ks=[4], selects=["sprm", "majority"], seeds=[0, 1]).cells(model)
    assert sorted(map(len, runs(cells))) == [1, 1, 1, 1, 2, 2]


def test_a_run_generates_no_more_than_was_told(tmp_path: Path) -> None:
    folder = tiny_folder.write(tmp_path / "model")
    asked = grid("best_of_n", "esc", "mcts", "pruned:rule=memory", ks=[4], sampling=Options(max_tokens=12, answer_tokens=4))
    with outline(folder) as known:
        told = preview(known, asked)
    with load(folder) as model:
        evaluation = Evaluation(model, asked, tmp_path / "out")
        evaluation.sample()
        evaluation.run()
        prompts = [model.engine.grammar.table.decode(model.encode(problem.text)) for problem in PROBLEMS]
    sampled = sum(entry.tokens.estimate for entry in Report.of(tmp_path / "out").entries if entry.strategy != "esc")
    assert sampled * len(PROBLEMS) <= told.most_tokens == 3 * len(PROBLEMS) * 4 * (12 + 1 + 4)
    assert [prompt.text for prompt in told.prompts] == prompts[:2]
    assert (told.problems, told.prompt_tokens) == (5, sum(len("0?\n<think>") - len("<think>") + 1 for _ in PROBLEMS))


def test_a_prompt_that_is_too_long_is_told() -> None:
    with played(context=2) as model, pytest.raises(CapacityError, match="Task jsonl, problem 'p0'"):
        preview(model, grid("best_of_n", ks=[2]))
