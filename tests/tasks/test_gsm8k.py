import json
from pathlib import Path

import pytest

from reflectgen.errors import InputError
from reflectgen.tasks.gsm8k import TASK

ROWS = [
    {"question": "Ducks?", "answer": "16 - 3 - 4 = <<16-3-4=9>>9.\n9 * 2 = 18\n#### 18"},
    {"question": "House?", "answer": "A profit.\n#### 70,000"},
    {"question": "Below zero?", "answer": "Cold.\n#### -5"},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_gold_is_what_follows_the_mark(path: Path) -> None:
    problems = TASK.load(path, "test", None, 0)
    assert [(problem.id, problem.text, problem.answers) for problem in problems] == [
        ("test/1", "Ducks?", ("18",)),
        ("test/2", "House?", ("70000",)),
        ("test/3", "Below zero?", ("-5",)),
    ]
    assert problems[0].meta["solution"].endswith("9 * 2 = 18")


def test_gold_passes_its_own_grader_as_the_publisher_writes_it(path: Path) -> None:
    for problem, row in zip(TASK.load(path, "test", None, 0), ROWS, strict=True):
        assert TASK.grade(TASK.extract(row["answer"]), problem)
        assert not TASK.grade("17", problem)
        assert not TASK.grade(None, problem)


def test_a_limit_draws_by_seed_and_keeps_the_order(path: Path) -> None:
    drawn = [[problem.id for problem in TASK.load(path, "test", 2, seed)] for seed in range(8)]
    assert all(ids == sorted(ids) and len(ids) == 2 for ids in drawn)
    assert len({tuple(ids) for ids in drawn}) > 1
    assert [problem.id for problem in TASK.load(path, "test", 2, 3)] == drawn[3]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ('{"question": "Why?"}', "line 1: the field 'answer' is missing"),
        ('{"answer": "#### 3"}', "line 1: the field 'question' is missing"),
        ('{"question": "Why?", "answer": "3"}', "line 1: the field 'answer' does not end with '#### '"),
        ('{"question": "Why?", "ans', "line 1: not valid JSON"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: str, fault: str) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text(row)
    with pytest.raises(InputError, match=fault):
        TASK.load(path, "test", None, 0)


def test_without_a_file_it_says_where_to_get_one() -> None:
    with pytest.raises(InputError, match=r"reads the publisher's train\.jsonl from https://github\.com"):
        TASK.load(None, "train", None, 0)
