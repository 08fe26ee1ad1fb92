import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from reflectgen.errors import InputError
from reflectgen.tasks import gold, of_file
from reflectgen.tasks.mmlu_pro import TASK

DATA = Path(__file__).parent / "data" / "mmlu_pro.jsonl"
ROW: dict[str, Any] = {"question_id": 1, "question": "Which?", "options": ["x", "y"], "answer": "B", "category": "law"}


def test_up_to_ten_choices_and_those_left_open_fall() -> None:
    prime, contract = TASK.load(DATA, "test", None, 0)
    assert prime.text.splitlines()[-1] == "J. 97" and prime.answers == ("J",)
    assert contract.text.splitlines()[-1] == "D. a deed" and contract.meta == {"choices": 4, "category": "law"}
    assert [prime.id, contract.id] == ["mmlu_pro/70001", "mmlu_pro/70002"]


def test_gold_passes_its_own_grader_and_another_letter_does_not() -> None:
    for problem in TASK.load(DATA, "test", None, 0):
        assert TASK.grade(TASK.extract(f"The answer is ({problem.answers[0]})."), problem)
        assert not TASK.grade(gold.changed(TASK, problem), problem)


def test_parquet_is_read_as_json_lines_are(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in DATA.read_text().splitlines()]
    path = tmp_path / "test-00000-of-00001.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), path)
    assert TASK.load(path, "test", None, 0) == TASK.load(DATA, "test", None, 0)
    assert of_file(path) is of_file(DATA) is TASK


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"options": "x"}, "the field 'options' must be a list of strings"),
        ({"options": ["x"]}, "the field 'options' holds 1 choices, and not two to 10"),
        ({"answer": "C"}, "the answer 'C' is none of the letters AB"),
        ({"answer": 1}, "the field 'answer' must be a string"),
        ({"question": ""}, "the field 'question' is empty"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**ROW, **changes}))
    with pytest.raises(InputError, match=f"line 1: {fault}"):
        TASK.load(path, "test", None, 0)
