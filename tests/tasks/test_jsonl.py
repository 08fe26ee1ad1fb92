from pathlib import Path

import pytest

from reflectgen.errors import InputError
from reflectgen.tasks.jsonl import TASK
from reflectgen.types import Problem


def load(path: Path, text: str) -> list[Problem]:
    path = path / "problems.jsonl"
    path.write_text(text)
    return TASK.load(path, "test", None, 0)


def test_ids_and_answers_take_every_natural_form(tmp_path: Path) -> None:
    problems = load(
        tmp_path,
        '{"problem": "a", "id": "first", "answer": "1/2"}\n'
        '{"problem": "b", "id": 7, "answer": 18}\n'
        "\n"
        '{"problem": "c", "answer": ["x", 2.5], "level": 3}\n'
        '{"problem": "d", "answer": null}\n',
    )
    assert [(problem.text, problem.id, problem.answers) for problem in problems] == [
        ("a", "first", ("1/2",)),
        ("b", "7", ("18",)),
        ("c", "4", ("x", "2.5")),
        ("d", "5", ()),
    ]
    assert problems[2].meta == {"level": 3}


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ('{"question": "a"}', "line 1: the field 'problem' is missing"),
        ('{"problem": ""}', "line 1: the field 'problem' is empty"),
        ('{"problem": "a"}\n{"problem": "b", "id": 1}', "line 2: the id '1' was already given in line 1"),
        ('{"problem": "a", "id": true}', "line 1: the field 'id' must be a string or a whole number"),
        ('{"problem": "a", "answer": {"x": 1}}', "line 1: the field 'answer' must be a string, a number or a list"),
        ('{"problem": "a", "answer": [true]}', "line 1: the field 'answer' must be"),
        ('{"problem": "a"}\n{"problem": "b', "line 2: not valid JSON"),
        ("\n", "holds no problems"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, rows: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        load(tmp_path, rows)


def test_without_a_file_it_asks_for_one() -> None:
    with pytest.raises(InputError, match="reads a file of problems"):
        TASK.load(None, "test", None, 0)
