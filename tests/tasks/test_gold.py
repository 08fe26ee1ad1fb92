from dataclasses import replace

import pytest

from reflectgen.errors import SandboxError
from reflectgen.tasks import gold
from reflectgen.tasks.jsonl import TASK
from reflectgen.types import Problem


def test_answers_are_graded_in_order() -> None:
    odd = replace(TASK, grade=lambda answer, problem: int(answer or 0) % 2 == 1)
    verdicts = gold.verdicts(odd, [(Problem(text="a"), str(index)) for index in range(9)])
    assert list(verdicts) == [index % 2 == 1 for index in range(9)]


def test_what_grading_lacks_is_told_first() -> None:
    def lacking() -> None:
        raise SandboxError("There is no sandbox.")

    with pytest.raises(SandboxError, match="There is no sandbox"):
        next(gold.verdicts(replace(TASK, ready=lacking), []))


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("18", "19"),
        ("-0.5", "1/2"),
        (r"\frac{1}{12}", "13/12"),
        ("90\N{DEGREE SIGN}", "91"),
        (r"3\sqrt{13}", r"3\sqrt{14}"),
        ("(1,9)", "(1,0)"),
        ("p-q", "p-q+1"),
        (r"\pi", r"\pi+1"),
        (r"\text{Evelyn}", r"not \text{Evelyn}"),
    ],
)
def test_an_answer_is_changed_by_its_kind(answer: str, wrong: str) -> None:
    assert gold.change(answer) == wrong
    assert not TASK.grade(wrong, Problem(text="", answers=(answer,)))


@pytest.mark.parametrize(
    ("golds", "wrong"),
    [(("5", "6"), "7"), (("5", "12/2", "7.0"), "8"), (("x1", "x2"), "x3"), (tuple(f"x{n}" for n in range(10)), None)],
)
def test_an_answer_is_changed_until_it_is_no_gold_one(golds: tuple[str, ...], wrong: str | None) -> None:
    assert gold.changed(TASK, Problem(text="", answers=golds)) == wrong


def test_a_task_may_change_answers_itself() -> None:
    problem = Problem(text="", answers=("A",))
    assert gold.changed(TASK, problem) == "not A"
    assert gold.changed(replace(TASK, mutate=lambda problem: f"{problem.answers[0]}!"), problem) == "A!"
    assert gold.changed(replace(TASK, mutate=lambda problem: None), problem) is None
