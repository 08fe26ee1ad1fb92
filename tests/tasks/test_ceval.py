import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from reflectgen.config import PromptConfig
from reflectgen.errors import InputError
from reflectgen.prompts import messages
from reflectgen.tasks import gold, of_file
from reflectgen.tasks.ceval import TASK
from reflectgen.tasks.ceval_subjects import SUBJECTS

DATA = Path(__file__).parent / "data"
FOLDER = DATA / "ceval"


def test_the_rendered_prompt_is_the_rows_own() -> None:
    rows = json.loads((DATA / "ceval.json").read_text(encoding="utf-8"))
    problems = TASK.load(DATA / "ceval.json", "test", None, 0)
    prompt = TASK.prompt(PromptConfig())
    assert [messages(problem.text, prompt)[0]["content"] for problem in problems] == [
        row["model_input"].strip() for row in rows
    ]
    assert [problem.id for problem in problems] == [f"ceval/{row['sub']}/{row['id']}" for row in rows]
    assert [problem.answers for problem in problems] == [(row["answer"],) for row in rows]


def test_a_question_has_the_same_prompt_from_either_format(tmp_path: Path) -> None:
    (row, *_) = json.loads((DATA / "ceval.json").read_text(encoding="utf-8"))
    (rendered, *_) = TASK.load(DATA / "ceval.json", "val", None, 0)
    _, question, *choices = row["model_input"].strip().splitlines()[:-1]
    path = tmp_path / "computer_network_val.csv"
    plain = [question[1:-1], *(choice[4:-1] for choice in choices)]
    path.write_text(
        "id,question,A,B,C,D,answer,explanation\n" + ",".join(f'"{part}"' for part in ["0", *plain, row["answer"], ""])
    )
    (own,) = TASK.load(path, "val", None, 0)
    assert (own.text, own.id, own.answers) == (rendered.text.strip(), rendered.id, rendered.answers)


def test_a_folder_holds_a_file_for_each_subject_and_split() -> None:
    problems = TASK.load(FOLDER, "val", None, 0)
    assert [problem.id for problem in problems] == [
        "ceval/high_school_mathematics/0",
        "ceval/high_school_mathematics/1",
        "ceval/logic/0",
    ]
    assert problems[0].text.startswith("以下是中国关于高中数学考试的单项选择题")
    (unknown,) = TASK.load(FOLDER, "test", None, 0)
    assert unknown.answers == () and not TASK.grades(unknown)


def test_files_of_the_hub_are_read_by_their_folders(tmp_path: Path) -> None:
    (tmp_path / "law").mkdir()
    row = {"id": 3, "question": "?", "A": "a", "B": "b", "C": "c", "D": "d", "answer": "D", "explanation": ""}
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "law" / "val-00000-of-00001.parquet")
    (problem,) = TASK.load(tmp_path, "val", None, 0)
    assert (problem.id, problem.answers) == ("ceval/law/3", ("D",))


def test_gold_passes_its_own_grader_and_another_letter_does_not() -> None:
    for problem in [*TASK.load(FOLDER, "val", None, 0), *TASK.load(DATA / "ceval.json", "val", None, 0)]:
        assert TASK.grade(TASK.extract(f"因此。\nANSWER: {problem.answers[0]}"), problem)
        assert not TASK.grade(gold.changed(TASK, problem), problem)


def test_there_are_52_subjects() -> None:
    assert len(SUBJECTS) == len(set(SUBJECTS.values())) == 52


@pytest.mark.parametrize("path", [DATA / "ceval.json", FOLDER / "val" / "logic_val.csv", FOLDER])
def test_its_files_are_known(path: Path) -> None:
    assert of_file(path) is TASK


@pytest.mark.parametrize(
    ("name", "rows", "fault"),
    [
        ("lore_val.csv", "id,question,A,B,C,D,answer\n0,?,a,b,c,d,A\n", "line 2: the file's name begins with no subject"),
        ("law_val.csv", "id,question,A,B,C,D,answer\n0,?,a,b,c,d,E\n", "line 2: the answer 'E' is none of the letters ABCD"),
        ("law_val.csv", "id,question,A,B,C,answer\n0,?,a,b,c,A\n", "line 2: the field 'D' is missing"),
        ("ceval.json", '[{"model_input": "?", "answer": "A", "id": 0}]', "line 1: the field 'sub' is missing"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, name: str, rows: str, fault: str) -> None:
    (tmp_path / name).write_text(rows)
    with pytest.raises(InputError, match=fault):
        TASK.load(tmp_path / name, "val", None, 0)


def test_a_folder_without_the_split_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no files of the split 'train' .*the splits of C-Eval are dev, val, test"):
        TASK.load(FOLDER, "train", None, 0)
    with pytest.raises(InputError, match="reads the publisher's folder of CSV files from https://"):
        TASK.load(None, "val", None, 0)
