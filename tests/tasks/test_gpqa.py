import csv
from pathlib import Path

import pytest

from reflectgen.errors import InputError
from reflectgen.tasks import gold, of_file
from reflectgen.tasks.gpqa import TASK

DATA = Path(__file__).parent / "data" / "gpqa.csv"
RIGHT = ("10^-4 eV", "99 %")


def test_the_letter_is_that_of_the_right_choice() -> None:
    problems = TASK.load(DATA, "test", None, 0)
    assert [problem.id for problem in problems] == ["gpqa/recMade0001", "gpqa/recMade0002"]
    for problem, right in zip(problems, RIGHT, strict=True):
        lines = problem.text.splitlines()
        assert [line[:2] for line in lines[-4:]] == ["A.", "B.", "C.", "D."]
        assert f"{problem.answers[0]}. {right}" in lines
    assert problems[0].text.startswith("Two levels of an atom live for 10^-9 s and 10^-8 s.\nWhich difference")


def test_the_order_of_the_choices_is_the_rows_own(tmp_path: Path) -> None:
    """It depends on nothing but the record: neither on the other rows nor on the seed."""
    first, second = TASK.load(DATA, "test", None, 0)
    with DATA.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    path = tmp_path / "reversed.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *reversed(rows)])
    assert TASK.load(path, "test", None, 7) == [second, first]


def test_records_have_orders_of_all_kinds(tmp_path: Path) -> None:
    """Of 400 records each letter is right for 100 on average; 60 is more than four standard deviations off."""
    path = tmp_path / "many.csv"
    fields = ["Question", "Correct Answer", *(f"Incorrect Answer {number}" for number in (1, 2, 3)), "Record ID"]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([fields, *(["Which?", "w", "x", "y", "z", f"rec{number}"] for number in range(400))])
    letters = [problem.answers[0] for problem in TASK.load(path, "test", None, 0)]
    assert all(60 < letters.count(letter) < 140 for letter in "ABCD")


def test_gold_passes_its_own_grader_and_another_letter_does_not() -> None:
    for problem in TASK.load(DATA, "test", None, 0):
        assert TASK.grade(TASK.extract(f"Because.\n\nANSWER: {problem.answers[0]}"), problem)
        assert not TASK.grade(gold.changed(TASK, problem), problem)


def test_the_file_is_known_and_its_faults_are_named(tmp_path: Path) -> None:
    assert of_file(DATA) is TASK
    path = tmp_path / "gpqa.csv"
    path.write_text("Question,Correct Answer,Record ID\nWhy?,So,rec1\n")
    with pytest.raises(InputError, match=r"gpqa\.csv, line 2: the field 'Incorrect Answer 1' is missing"):
        TASK.load(path, "test", None, 0)
    with pytest.raises(InputError, match=r"reads the publisher's gpqa_diamond\.csv from https://"):
        TASK.load(None, "test", None, 0)
