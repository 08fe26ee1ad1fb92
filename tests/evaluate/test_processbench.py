from pathlib import Path

import numpy as np
import pytest
import tiny_folder

from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.errors import InputError, ModelError
from reflectgen.evaluate.processbench import Solutions, grade, measure
from reflectgen.load import load
from reflectgen.reflector import Reflector
from reflectgen.tasks.processbench import load as read
from reflectgen.types import Problem

DATA = Path(__file__).parent.parent / "tasks" / "data" / "processbench"
SOLUTIONS = Solutions(np.array([[0.9, 0.8, 1.0], [0.9, 0.3, 0.2], [0.4, 0.9, 0.9], [0.9, 0.9, 0.6]]), np.array([-1, 1, 0, -1]))


def test_the_first_step_below_the_threshold_is_called_wrong() -> None:
    assert SOLUTIONS.found(0.5).tolist() == [-1, 1, 0, -1]
    assert SOLUTIONS.found(0.35).tolist() == [-1, 1, -1, -1]
    assert SOLUTIONS.found(0.25).tolist() == [-1, 2, -1, -1]
    assert SOLUTIONS.found(0.0).tolist() == [-1] * 4


def test_f1_is_the_harmonic_mean_of_both_accuracies() -> None:
    assert SOLUTIONS.f1(0.5) == 1.0
    assert SOLUTIONS.f1(0.35) == pytest.approx(2 * 0.5 * 1 / 1.5)
    found = measure("math", SOLUTIONS, 0.7)
    assert (found.on_wrong, found.on_right, found.solutions) == (1.0, 0.5, 4)
    assert found.f1.estimate == pytest.approx(2 / 3)


def test_the_threshold_is_the_lowest_of_the_best() -> None:
    assert SOLUTIONS.best_threshold() == 0.6
    with pytest.raises(InputError, match="solutions with an error and without"):
        Solutions(SOLUTIONS.scores, np.array([1, 1, 0, 0])).best_threshold()


def test_each_given_step_has_the_grade_of_what_ends_in_it(tmp_path: Path) -> None:
    """The tiny random model's grades, asked for one by one and all at once."""
    problems = read(DATA, "gsm8k")
    with load(tiny_folder.write(tmp_path / "model", context=1024), step_rule="blank_line") as model:
        seen: list[int] = []
        solutions = grade(model, problems, seen.append)
        for problem, scores in zip(problems, solutions.scores.tolist(), strict=True):
            steps = problem.meta["steps"]
            prompt = model.engine.grammar.table.decode(model.encode(problem.text))
            (graded,) = [graded for _, graded in model.score_texts([(prompt, "".join(step + "\n\n" for step in steps))])]
            assert scores[: len(steps)] == [step.score for step in graded.steps]
            assert all(score == 1 for score in scores[len(steps) :])
    assert solutions.labels.tolist() == [-1, 0, 1] and seen == [1, 2, 3]


def test_a_step_has_the_lowest_of_its_grades_and_one_without_is_right(tmp_path: Path) -> None:
    steps = ("One line.\nAnother line.", "A third one")
    problem = Problem(text="?", meta={"steps": steps, "label": 0})
    folder = tiny_folder.write(tmp_path / "model")
    with load(folder, step_rule="newline") as model:
        graded = next(model.score_texts([("?\n<think>", "".join(step + "\n\n" for step in steps))]))[1]
        (scores,) = grade(model, [problem]).scores.tolist()
    assert scores == [min(step.score for step in graded.steps[:2]), graded.steps[2].score]
    with load(folder, step_rule="paper") as model:
        (scores,) = grade(model, [problem]).scores.tolist()
        assert 0 < scores[0] < 1 == scores[1]


def test_a_model_without_a_head_is_told(tmp_path: Path) -> None:
    with (
        load(tiny_folder.write(tmp_path / "model", head=False)) as model,
        pytest.raises(ModelError, match="needs an SPRM head"),
    ):
        grade(model, read(DATA, "gsm8k"))


def test_the_thinking_is_opened_where_the_prompt_does_not() -> None:
    engine = ScriptedEngine([Script("a.\n\nb.\n\n", logits=(1.0, -1.0))])
    with Reflector(engine, engine.encode) as model:
        assert grade(model, [Problem(text="a", meta={"steps": ("a.", "b."), "label": 1})]).scores.shape == (1, 2)
