import numpy as np
import pytest

from reflectgen import tasks
from reflectgen.commands.comparison import WAYS, Samples, comparison
from reflectgen.types import Choice, Cost, Problem, Result, Trajectory


def trajectory(answer: str | None, score: float, logprob: float) -> Trajectory:
    return Trajectory(
        id="0",
        parent=None,
        token_ids=(),
        thinking="",
        reply="",
        answer=answer,
        steps=(),
        score=score,
        logprob=logprob,
        confidence=0.0,
        tokens=0,
        finish="stop",
    )


def result(*trajectories: Trajectory) -> Result:
    return Result(
        problem=Problem(text="?", answers=("4",)),
        answer=None,
        choice=Choice(index=None, answer=None, share=0.0, values=()),
        trajectories=trajectories,
        cost=Cost(),
        strategy="best_of_n",
        select="sprm",
        seed=0,
    )


@pytest.fixture
def samples() -> Samples:
    """One problem of four thinkings: one right, with the best score and the worst log-prob; two agree on a wrong answer."""
    rows = [("4", 0.9, -3.0), ("5", 0.2, -1.0), ("5.0", 0.1, -2.0), (None, 0.0, -4.0)]
    return Samples.of(tasks.named("jsonl"), [result(*(trajectory(*row) for row in rows))])


def test_thinkings_are_graded_and_equal_answers_share_a_code(samples: Samples) -> None:
    assert samples.correct.tolist() == [[True, False, False, False]]
    assert samples.answers.tolist() == [[0, 1, 1, -1]]


def test_each_way_decides_over_all_subsets(samples: Samples) -> None:
    at_four = {name: float(way(samples, 4)[0]) for name, way in WAYS.items()}
    # votes of 1 against 2; scores of 0.9 against 0.3
    assert at_four == {
        "one thinking": 0.25,
        "majority vote": 0.0,
        "best log-prob": 0.0,
        "best SPRM score": 1.0,
        "vote weighted by SPRM": 1.0,
    }
    # the right one is in 3 of the 6 pairs, and has the best score in all of them, the best log-prob in one
    assert WAYS["best SPRM score"](samples, 2)[0] == pytest.approx(3 / 6)
    assert WAYS["best log-prob"](samples, 2)[0] == pytest.approx(1 / 6)


def test_the_table_has_a_line_for_each_way_and_a_column_for_each_effort() -> None:
    correct = np.tile(np.arange(32) < 8, (3, 1))
    table = comparison(Samples(correct, np.where(correct, 0, 1), scores=correct.astype(float), logprobs=-correct.astype(float)))
    assert [column.header for column in table.columns] == ["chosen by", "low, k=2", "medium, k=8", "high, k=32"]
    cells = [str(cell) for cell in table.columns[3].cells]
    assert cells == ["25 [11, 67]", "0 [0, 56]", "0 [0, 56]", "100 [44, 100]", "100 [44, 100]"]  # three problems say little
