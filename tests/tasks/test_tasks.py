from pathlib import Path

import pytest

from reflectgen import tasks
from reflectgen.errors import InputError, OptionError


def test_the_table_is_keyed_by_the_tasks_own_names() -> None:
    assert all(task.name == name for name, task in tasks.TASKS.items())
    assert tasks.named("gsm8k") is tasks.TASKS["gsm8k"]


def test_an_unknown_task_is_answered_with_the_table() -> None:
    with pytest.raises(OptionError, match=r"Unknown task 'gsm9k'.*Did you mean 'gsm8k'\?"):
        tasks.named("gsm9k")


def test_a_task_of_ones_own_is_named_by_its_module() -> None:
    assert tasks.named("reflectgen.tasks.jsonl:TASK") is tasks.TASKS["jsonl"]
    with pytest.raises(OptionError, match=r"The task 'no\.such:TASK' cannot be imported"):
        tasks.named("no.such:TASK")


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ('{"question": "a"}', "gsm8k"),
        ('{"question": "a", "options": []}', "mmlu_pro"),
        ('{"problem": "a"}', "jsonl"),
        ('{"problem": "a", "unique_id": "b", "level": 1}', "math500"),
        ('{"problem": "a", "steps": [], "label": 0}', "processbench"),
        ("", "jsonl"),
    ],
)
def test_a_file_is_known_by_its_fields(tmp_path: Path, row: str, name: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(row)
    assert tasks.of_file(path).name == name


def test_word_problems_are_made_and_pass_their_own_grader() -> None:
    task = tasks.named("wordproblems")
    problems = task.load(None, "test", 5, 3)
    assert problems == task.load(None, "test", 5, 3) != task.load(None, "test", 5, 4)
    for problem in problems:
        assert task.grade(task.extract(f"The answer is \\boxed{{{problem.answers[0]}}}."), problem)


def test_word_problems_refuse_a_file_and_an_unknown_split(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes no file"):
        tasks.named("wordproblems").load(tmp_path / "x", "test", 1, 0)
    with pytest.raises(OptionError, match="Unknown split 'dev'"):
        tasks.named("wordproblems").load(None, "dev", 1, 0)


def test_what_a_task_ran_on_is_told_of_those_whose_rows_are_here() -> None:
    assert {task.name for task in tasks.PUBLISHED if task.ran_on} == {"aime24", "ceval", "gsm8k", "humaneval", "mbpp"}
    assert all(task.size for task in tasks.PUBLISHED)
