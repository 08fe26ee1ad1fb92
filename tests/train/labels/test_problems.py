from dataclasses import replace
from pathlib import Path

import pytest
import scripted_store as rig

from reflectgen.errors import InputError
from reflectgen.train.labels import Problems

WORDS = rig.tokenizer()


@pytest.mark.parametrize("compact", [False, True])
def test_a_traces_problem_comes_from_the_tasks_files_with_its_gold_answer(tmp_path: Path, compact: bool) -> None:
    (row,) = rig.rollouts([rig.GOOD], WORDS)
    store = rig.store(tmp_path / "store", [row.compact() if compact else row])
    problems = Problems(store, WORDS.encode, [rig.data(tmp_path / "data.jsonl")])
    (found,) = store.rollouts
    assert (problems.of(found).id, problems.of(found).answers) == ("sum", ("4",))
    assert problems.prompt(found) == row.prompt_ids


def test_of_two_files_with_the_same_id_the_one_with_the_same_prompt_counts(tmp_path: Path) -> None:
    (row,) = rig.rollouts([rig.GOOD], WORDS)
    store = rig.store(tmp_path / "store", [row])
    (tmp_path / "other.jsonl").write_text('{"problem": "What is 3 + 3?", "id": "sum", "answer": "6"}\n')
    problems = Problems(store, WORDS.encode, [tmp_path / "other.jsonl", rig.data(tmp_path / "data.jsonl")])
    assert problems.of(row).answers == ("4",)


def test_a_problem_that_makes_another_prompt_is_not_taken_for_it(tmp_path: Path) -> None:
    (row,) = rig.rollouts([rig.GOOD], WORDS)
    store = rig.store(tmp_path / "store", [row])
    problems = Problems(store, WORDS.encode, [rig.data(tmp_path / "data.jsonl")])
    with pytest.raises(InputError, match=r"Problem 'sum' of .* was sampled from another prompt"):
        problems.of(replace(row, prompt_hash=1))


def test_without_the_file_of_a_task_that_reads_one_it_is_asked_for(tmp_path: Path) -> None:
    (row,) = rig.rollouts([rig.GOOD], WORDS)
    with pytest.raises(InputError, match="files of the task jsonl: name them with --data"):
        Problems(rig.store(tmp_path / "store", [row]), WORDS.encode).of(row)
