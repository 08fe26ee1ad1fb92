"""Every example runs: with a tiny random model where it takes one."""

import re
import runpy
import sys
from pathlib import Path

import pytest
import tiny_folder

from reflectgen import tasks

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder.write(tmp_path_factory.mktemp("models") / "graded", context=1024)


def run(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: Path) -> str:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capsys.readouterr().out


def test_there_is_a_test_for_every_example() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == [
        "openai_client.py",
        "own_strategy.py",
        "solve.py",
        "solve_many.py",
        "word_problems.py",
    ]


def test_solve(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "by sprm over 8 thinkings" in run("solve.py", monkeypatch, capsys, folder)


def test_solve_many(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run("solve_many.py", monkeypatch, capsys, folder).splitlines()
    assert [line.split()[0] for line in lines] == ["majority", "logprob", "shortest", "sprm", "weighted"]
    assert all(line.endswith("of 6 right") for line in lines)


def test_word_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run("word_problems.py", monkeypatch, capsys, tmp_path)
    task = tasks.named("jsonl")
    train, test = (task.load(tmp_path / f"{split}.jsonl", split, None, 0) for split in ("train", "test"))
    assert (len(train), len(test)) == (300, 200)
    assert len({problem.text for problem in (*train, *test)}) == 500
    numbers = {problem.text: [int(number) for number in re.findall(r"\d+", problem.text)] for problem in train}
    bought = [problem for problem in train if re.search(r"and buys \d+ more\.", problem.text)]
    assert len(bought) > 30 and all(problem.answers == (str(sum(numbers[problem.text])),) for problem in bought)


def test_own_strategy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = run("own_strategy.py", monkeypatch, capsys).splitlines()
    assert first.split()[1:] == ["tokens:", "4", "['stop',", "'stop',", "'stop',", "'stop']"]
    assert second.split()[1:] == ["tokens:", "4", "['stop',", "'cancelled',", "'stop',", "'cancelled']"]
    assert int(second.split()[0]) < int(first.split()[0])


@pytest.mark.timeout(300)
def test_openai_client(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    told = run("openai_client.py", monkeypatch, capsys)
    assert re.search(r"tokens: +\d{3} of which \d{3} thought", told) and "chosen: thinking" in told
    assert len(re.findall(r"  thinking \d: [01]\.\d\d  ", told)) >= 16
