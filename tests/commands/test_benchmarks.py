"""Tasks listed, gold answers checked, and runs told before they are run, from the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from reflectgen.tasks import TASKS

Run = Callable[..., Result]
DATA = Path(__file__).parent.parent / "tasks" / "data"


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps({"problem": f"{n} + 1?", "id": f"p{n}", "answer": n + 1}) + "\n" for n in range(3)))
    return path


def test_tasks_are_listed_with_what_they_ran_on(run: Run) -> None:
    done = run("eval", "--list")
    assert done.exit_code == 0 and max(map(len, done.output.splitlines())) <= 80
    assert [line.split()[0] for line in done.output.splitlines()[1:] if line[0] != " "] == list(TASKS)
    assert "math500                500  MIT               never run on its publisher's rows" in done.output
    assert "gsm8k                1,319  MIT               1,319 rows of test" in done.output
    rows = {row["name"]: row for row in json.loads(run("eval", "--list", "--json").output)}
    assert list(rows) == list(TASKS)
    assert rows["gpqa"] == {
        "name": "gpqa",
        "problems": 198,
        "licence": "CC-BY-4.0",
        "source": "Rein et al. 2023, https://github.com/idavidrein/gpqa",
        "hub": "Idavidrein/gpqa",
        "ran_on": "",
    }
    assert rows["jsonl"]["problems"] is None


def test_gold_answers_are_checked_without_a_model(run: Run) -> None:
    done = run("eval", "--check-gold", "--data", DATA / "math500.jsonl")
    assert done.exit_code == 0, done.output
    assert "gold answers     3 of 3 right (100.00%)" in done.output
    assert "changed answers  3 of 3 refused (100.00%)" in done.output
    told = json.loads(
        run("eval", "--check-gold", "--task", "aime24", "--data", DATA / "aime24.jsonl", "--limit", 1, "--json").output
    )
    assert (told["task"], told["problems"], told["holds"]) == ("aime24", 1, True)
    assert told["golds"]["count"] == told["changed"]["count"] == 1 and told["golds"]["faults"] == []


def test_code_is_checked_too(run: Run) -> None:
    told = json.loads(run("eval", "--check-gold", "--data", DATA / "humaneval.jsonl", "--json").output)
    assert (told["golds"]["share"], told["changed"]["share"], told["changed"]["count"]) == (1.0, 1.0, 3)


def test_a_gold_answer_that_fails_is_shown_and_ends_in_1(run: Run, problems: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reflectgen.tasks.base.answers.correct", lambda answer, golds: answer == "2")
    done = run("eval", "--check-gold", "--data", problems)
    assert done.exit_code == 1
    assert "gold answers     1 of 3 right (33.33%)" in done.output
    assert "Refused: p0: 1" in done.output and "Refused: p2: 3" in done.output
    assert "Passed, though changed: p0: 2" in done.output


def test_many_faults_are_counted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"problem": "?", "id": n, "answer": n}) + "\n" for n in range(9)))
    monkeypatch.setattr("reflectgen.tasks.base.answers.correct", lambda answer, golds: False)
    done = run("eval", "--check-gold", "--data", path)
    assert done.exit_code == 1 and done.output.count("Refused: ") == 5 and "and 4 more" in done.output


def test_a_dry_run_shows_prompts_and_bounds_and_writes_nothing(
    run: Run, folder: Path, problems: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reflectgen.commands.evaluation.open_model", lambda **given: pytest.fail("the model was loaded"))
    command = ("eval", "--dry-run", "--data", problems, "-m", folder, "--k", "2,4", "--max-tokens", 12, "-o", tmp_path / "out")
    done = run(*command, "--strategy", "best_of_n,beam")
    assert done.exit_code == 0, done.output
    assert "p0, 8 tokens" in done.output and "0 + 1?\n<think>" in done.output and "p2" not in done.output
    assert "24, at most 8 a problem" in done.output
    assert "beam: nothing but --budget limits" in done.output
    told = json.loads(run(*command, "--json").output)
    think, close, reply = 12, 1, 62  # a quarter of what is left of the context is kept for the reply
    assert told["most_tokens"] == 3 * 4 * (think + close + reply)
    assert told["prompts"][0] == {"id": "p0", "text": "0 + 1?\n<think>", "tokens": 8}
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--list", "--check-gold"), "--list, --check-gold and --dry-run each stand alone: give one of them."),
        (("--check-gold",), "Give --task NAME, or a file of problems with --data, or both."),
        (("--check-gold", "--data", DATA / "livecodebench"), "The rows of livecodebench hold no gold answers"),
        (("--check-gold", "--data", DATA / "processbench" / "math.json"), "ProcessBench is not solved"),
        (("--task", "wordproblems"), "A run needs a folder for its cells: give one with --output."),
        (("--task", "processbench", "-o", "out"), "ProcessBench is not solved"),
        (("--dry-run", "--task", "aime24", "--data", "none.jsonl"), "none.jsonl cannot be read"),
    ],
)
def test_mistakes_are_one_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[Any, ...], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("eval", *options)
    assert done.exit_code == 2 and sentence in done.output and done.output.count("\n") == 1, done.output
    assert list(tmp_path.iterdir()) == []
