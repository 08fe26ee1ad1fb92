import json
from pathlib import Path
from typing import Any

import pytest

from reflectgen.errors import InputError, OptionError
from reflectgen.tasks import hub, of_file
from reflectgen.tasks.processbench import TASK, load

DATA = Path(__file__).parent / "data" / "processbench"
ROW: dict[str, Any] = {"id": "gsm8k-0", "problem": "?", "steps": ["a", "b"], "label": 1, "final_answer_correct": False}


def test_rows_become_problems_with_steps_and_a_label() -> None:
    problems = load(DATA, "gsm8k")
    assert [(problem.id, problem.meta["label"], len(problem.meta["steps"])) for problem in problems] == [
        ("gsm8k-0", -1, 3),
        ("gsm8k-1", 0, 3),
        ("gsm8k-2", 1, 2),
    ]
    assert [problem.meta["final_answer_correct"] for problem in problems] == [True, False, False]
    assert load(DATA / "math.json") == load(DATA, "math")
    assert of_file(DATA / "math.json") is of_file(DATA) is TASK


def test_it_is_graded_and_not_solved() -> None:
    with pytest.raises(OptionError, match=r"ProcessBench is not solved: .* with reflectgen processbench"):
        hub.problems(TASK, DATA, "gsm8k", None, 0)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"label": 2}, "the field 'label' must be a step's place, from 0 to 1, or -1"),
        ({"label": None}, "the field 'label' must be a step's place"),
        ({"steps": []}, "the field 'steps' must be a list of texts"),
        ({"steps": ["a", " "]}, "the field 'steps' must be a list of texts"),
        ({"problem": ""}, "the field 'problem' is empty"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    path = tmp_path / "gsm8k.json"
    path.write_text(json.dumps([{**ROW, **changes}]))
    with pytest.raises(InputError, match=rf"gsm8k\.json, line 1: {fault}"):
        load(path)


def test_an_unknown_split_and_a_missing_file_are_told() -> None:
    with pytest.raises(OptionError, match="Unknown split 'test'"):
        load(DATA, "test")
    with pytest.raises(InputError, match=r"omnimath\.json cannot be read"):
        load(DATA, "omnimath")
    with pytest.raises(InputError, match=r"reads the publisher's folder of gsm8k\.json"):
        load(None)
