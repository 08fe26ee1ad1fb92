from pathlib import Path

import pytest

from reflectgen.errors import InputError
from reflectgen.evaluate.gold import answers_of, check_gold
from reflectgen.tasks import of_file
from reflectgen.tasks.math500 import TASK

DATA = Path(__file__).parent / "data" / "math500.jsonl"


def test_rows_become_problems() -> None:
    problems = TASK.load(DATA, "test", None, 0)
    assert [problem.id.split("/")[1] for problem in problems] == ["algebra", "precalculus", "counting_and_probability"]
    assert problems[0].answers == ("[2,3]",)
    assert problems[0].meta == {"subject": "Algebra", "level": 2}
    assert of_file(DATA) is TASK


def test_gold_passes_its_own_grader_and_what_is_like_it_does_not() -> None:
    problems = TASK.load(DATA, "test", None, 0)
    golds, wrong = answers_of(TASK, problems)
    assert [answer for _, answer in wrong] == ["[2,4]", r"\left( 2, \frac{3 \pi}{3} \right)", "13/12"]
    assert check_gold(TASK, golds, wrong).holds


@pytest.mark.parametrize(
    ("place", "reply"),
    [
        (0, r"So $\boxed{2 \le x \le 3}$."),
        (0, r"\boxed{x \in [2,3]}"),
        (1, r"It is $\boxed{(2, 3\pi/2)}$."),
        (2, "The answer is $\\frac{3}{36}$."),
    ],
)
def test_other_notations_are_right(place: int, reply: str) -> None:
    assert TASK.grade(TASK.extract(reply), TASK.load(DATA, "test", None, 0)[place])


def test_a_wrong_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text('{"problem": "Why?", "answer": 3, "unique_id": "a"}')
    with pytest.raises(InputError, match=r"test\.jsonl, line 1: the field 'answer' must be a string"):
        TASK.load(path, "test", None, 0)
    with pytest.raises(InputError, match=r"The task math500 reads the publisher's test\.jsonl from https://"):
        TASK.load(None, "test", None, 0)
