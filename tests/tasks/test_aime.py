import json
from pathlib import Path

import pytest

from reflectgen.config import PromptConfig
from reflectgen.errors import InputError
from reflectgen.evaluate.gold import answers_of, check_gold
from reflectgen.prompts import messages
from reflectgen.tasks import aime24, aime25
from reflectgen.tasks.aime import INSTRUCTION

DATA = Path(__file__).parent / "data"


def test_the_prompt_is_the_rows_own_with_its_instruction_once() -> None:
    rows = [json.loads(line) for line in (DATA / "aime24.jsonl").read_text().splitlines()]
    problems = aime24.TASK.load(DATA / "aime24.jsonl", "test", None, 0)
    prompt = aime24.TASK.prompt(PromptConfig())
    assert [messages(problem.text, prompt)[0]["content"] for problem in problems] == [row["prompt"] for row in rows]
    assert all(problem.text.count(INSTRUCTION) == 1 for problem in problems)
    assert [problem.answers for problem in problems] == [(str(row["answer"]),) for row in rows]
    assert [problem.id for problem in problems] == ["aime24/1", "aime24/2"]


def test_rows_of_the_hub_get_the_same_instruction() -> None:
    problems = aime25.TASK.load(DATA / "aime25.jsonl", "test", None, 0)
    assert [(problem.id, problem.answers) for problem in problems] == [("aime25/0", ("30",)), ("aime25/1", ("7",))]
    assert problems[0].text.endswith(f"5$.\n{INSTRUCTION}")


@pytest.mark.parametrize("names", [("Problem", "Answer", "ID"), ("question", "answer", "id")])
def test_the_shapes_that_go_about(tmp_path: Path, names: tuple[str, str, str]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(dict(zip(names, ("Count.", 33, "2024-I-1"), strict=True))))
    (problem,) = aime24.TASK.load(path, "test", None, 0)
    assert (problem.text, problem.answers, problem.id) == (f"Count.\n{INSTRUCTION}", ("33",), "aime24/2024-I-1")


@pytest.mark.parametrize("task", [aime24.TASK, aime25.TASK])
def test_gold_passes_its_own_grader(task: object) -> None:
    problems = task.load(DATA / f"{task.name}.jsonl", "test", None, 0)
    assert check_gold(task, *answers_of(task, problems)).holds
    for problem in problems:
        assert task.grade(task.extract(f"So it is \\boxed{{0{problem.answers[0]}}}."), problem)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ('{"answer": 3}', "line 1: the field 'problem' is missing"),
        ('{"problem": "Why?"}', "line 1: the field 'answer' is missing"),
        ('{"problem": "Why?", "answer": 1000}', "line 1: the answer '1000' is no whole number from 0 to 999"),
        (f'{{"problem": "Why?", "answer": "{"9" * 5_000}"}}', "line 1: the answer '99999999999999999999' is no whole number"),
        ('{"problem": "Why?", "answer": "1/2"}', "line 1: the answer '1/2' is no whole number"),
        ('{"problem": "Why?", "answer": "3"}\n{"problem": "W', "line 2: not valid JSON"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: str, fault: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(row)
    with pytest.raises(InputError, match=fault):
        aime24.TASK.load(path, "test", None, 0)


def test_without_a_file_it_says_what_to_give() -> None:
    with pytest.raises(InputError, match="The task aime25 reads a file of rows with problem and answer from https://"):
        aime25.TASK.load(None, "test", None, 0)
