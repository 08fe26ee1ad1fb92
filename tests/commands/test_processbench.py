"""First errors from the command line, on a tiny random model."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_folder
from typer.testing import Result

Run = Callable[..., Result]
DATA = Path(__file__).parent.parent / "tasks" / "data" / "processbench"


@pytest.fixture(scope="module")
def grader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder.write(tmp_path_factory.mktemp("models") / "grader", context=1024)


def test_the_threshold_is_chosen_on_one_split_and_the_others_are_reported(run: Run, grader: Path) -> None:
    command = ("processbench", "--data", DATA, "-m", grader, "--step-rule", "blank_line")
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    assert "the best threshold on gsm8k" in done.output
    told = json.loads(run(*command, "--json").output)
    assert (told["tuned_on"], [split["split"] for split in told["splits"]]) == ("gsm8k", ["math"])
    assert told["splits"][0]["solutions"] == 2 and 0 < told["threshold"] <= 1
    turned = json.loads(run(*command, "--tune", "math", "--limit", 2, "--json").output)
    assert [(split["split"], split["solutions"]) for split in turned["splits"]] == [("gsm8k", 2)]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--data", DATA, "--tune", "aime"), "Unknown split 'aime'"),
        (("--data", DATA / "math.json"), "is no folder: give the one that holds gsm8k.json"),
        (("--data", "one"), "The folder one holds no split beside gsm8k: there is nothing to report."),
    ],
)
def test_mistakes_are_one_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[Any, ...], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").mkdir()
    shutil.copy(DATA / "gsm8k.json", tmp_path / "one")
    done = run("processbench", *options)
    assert done.exit_code == 2 and sentence in done.output and done.output.count("\n") == 1, done.output


def test_a_model_without_a_head_is_one_sentence(run: Run, headless: Path) -> None:
    done = run("processbench", "--data", DATA, "-m", headless)
    assert done.exit_code == 2 and "needs an SPRM head" in done.output and done.output.count("\n") == 1
