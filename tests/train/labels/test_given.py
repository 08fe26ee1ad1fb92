import math
from dataclasses import replace
from pathlib import Path

import pytest
import scripted_store as rig
import stored

from reflectgen import prompts, tasks
from reflectgen.errors import InputError, OptionError
from reflectgen.steps import TokenTable
from reflectgen.tasks import wordproblems
from reflectgen.train.labels import Problems, oracle, outcome

WORDS = rig.tokenizer()


def test_every_step_gets_the_outcome_of_its_trace() -> None:
    rows = rig.rollouts([rig.GOOD, rig.POOR], WORDS)
    assert outcome(rows) == {("sum", 0): (1.0, 1.0), ("sum", 1): (0.0, 0.0)}


def test_without_a_gold_answer_there_is_no_label() -> None:
    (row,) = rig.rollouts([rig.GOOD], WORDS)
    (labels,) = outcome([replace(row, correct=None)]).values()
    assert len(labels) == 2 and all(map(math.isnan, labels))


@pytest.mark.parametrize("compact", [False, True])
def test_the_oracle_of_word_problems_knows_which_events_were_misread(tmp_path: Path, compact: bool) -> None:
    model, tokenizer = stored.bundled()
    store = stored.write(
        tmp_path / "words", model, tokenizer, problems=6, samples=3, events=wordproblems.EVENTS, compact=compact
    )
    config = model.prompt_config(tokenizer)
    problems = Problems(store, lambda text: prompts.encode(text, config, tokenizer))
    found = oracle(store, tasks.named("wordproblems"), problems, TokenTable(tokenizer).decode)
    expected = {
        (problem.id, sample): tuple(map(float, wordproblems.trace(problem, sample).readings))
        for problem in (wordproblems.generate("train", 0, index) for index in range(6))
        for sample in range(3)
    }
    assert found == expected
    assert {0.0, 1.0} == {label for labels in found.values() for label in labels}


def test_a_task_that_cannot_judge_steps_is_refused(tmp_path: Path) -> None:
    store = rig.store(tmp_path / "store", rig.rollouts([rig.GOOD], WORDS))
    with pytest.raises(OptionError, match="The task jsonl cannot tell whether a step is right"):
        oracle(store, tasks.named("jsonl"), Problems(store, WORDS.encode), WORDS.decode)


def test_a_judge_must_speak_of_every_step(tmp_path: Path) -> None:
    store = rig.store(tmp_path / "store", rig.rollouts([rig.GOOD], WORDS))
    task = replace(tasks.named("jsonl"), judge=lambda problem, steps: [True])
    problems = Problems(store, WORDS.encode, [rig.data(tmp_path / "data.jsonl")])
    with pytest.raises(InputError, match="gave 1 verdicts for 2 steps"):
        oracle(store, task, problems, WORDS.decode)
