import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from evaluate.graded import made
from evaluate.written import write
from rollouts.made import rollout, store
from typer.testing import Result

Run = Callable[..., Result]


def test_a_folder_is_told_as_tables_and_as_json(run: Run, tmp_path: Path) -> None:
    write(tmp_path, unfinished=1)
    done = run("report", tmp_path)
    assert done.exit_code == 0 and max(map(len, done.output.splitlines())) <= 80
    assert "Chosen by sprm" in done.output and "1 cells are not finished" in done.output
    (told,) = json.loads(run("report", tmp_path, "--json").output)["folders"]
    assert [entry["strategy"] for entry in told["entries"]] == ["best_of_n", "best_of_n", "adaptive", "pruned", "best_of_n"]
    assert told["kind"] == "eval" and told["notes"][0] in " ".join(done.output.split())


def test_a_store_is_told_as_tables_and_as_json(run: Run, tmp_path: Path) -> None:
    made(tmp_path)
    done = run("report", tmp_path)
    assert done.exit_code == 0 and max(map(len, done.output.splitlines())) <= 80
    assert "At k = 5, 10 tokens" in done.output and "weighted:product" in done.output and "any right" in done.output
    (told,) = json.loads(run("report", tmp_path, "--k", "2,4", "--select", "sprm,majority", "--json").output)["folders"]
    assert [(row["way"], row["k"]) for row in told["rows"]] == [("sprm", 2), ("majority", 2), ("sprm", 4), ("majority", 4)]


def test_stores_of_one_task_are_compared(run: Run, tmp_path: Path) -> None:
    made(tmp_path / "a")
    made(tmp_path / "b", seed=1, head="another")
    done = run("report", tmp_path / "a", tmp_path / "b")
    assert done.exit_code == 0 and max(map(len, done.output.splitlines())) <= 80
    assert "6 problems that both have" in " ".join(done.output.split()) and "They differ in head." in done.output
    (found,) = json.loads(run("report", tmp_path / "a", tmp_path / "b", "--json").output)["comparisons"]
    assert found["problems"] == 6 and found["differs"]["head"][1] == "another"


def test_pages_are_written_with_the_command_that_makes_them(run: Run, tmp_path: Path) -> None:
    made(tmp_path / "runs")
    page, text = tmp_path / "page.html", tmp_path / "results.md"
    done = run("report", tmp_path / "runs", "--k", "1,4", "--html", page, "--markdown", text)
    assert done.exit_code == 0 and f"Written: {page}" in done.output and f"Written: {text}" in done.output
    assert page.read_text().startswith("<!DOCTYPE html>") and "<h2>By task</h2>" in page.read_text()
    first = text.read_text().splitlines()[0]
    assert first == f"<!-- Made by: reflectgen report {tmp_path / 'runs'} --k 1,4 --markdown {text} -->"
    again = text.read_bytes()
    assert run("report", tmp_path / "runs", "--k", "1,4", "--markdown", text).exit_code == 0 and text.read_bytes() == again


def test_a_store_can_be_drawn(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    made(tmp_path / "runs")
    assert run("report", tmp_path / "runs", "--plot", tmp_path / "curve.svg").exit_code == 0
    drawn = (tmp_path / "curve.svg").read_text()
    assert "weighted:product<" in drawn and "tiny on wordproblems, 6 problems x 5 traces" in drawn


def test_no_model_and_no_torch_is_touched(tmp_path: Path) -> None:
    made(tmp_path / "runs")
    probe = (
        "import sys; from typer.testing import CliRunner; from reflectgen.cli import app; "
        f"done = CliRunner().invoke(app, ['report', {str(tmp_path / 'runs')!r}, '--html', {str(tmp_path / 'page.html')!r}]); "
        "print(done.exit_code, [name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0 []"


def test_a_plot_and_a_frontier_are_written(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write(tmp_path / "out")
    done = run("report", tmp_path / "out", "--plot", tmp_path / "curve", "--frontier", tmp_path / "frontier.json")
    assert done.exit_code == 0, done.output
    for name in ("curve.png", "curve.svg", "frontier.json"):
        assert f"Written: {tmp_path / name}" in done.output and (tmp_path / name).stat().st_size > 100


def test_mistakes_are_one_sentence_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "out")
    made(tmp_path / "runs")
    made(tmp_path / "other", backbone="other")
    store(tmp_path / "blind", [[rollout(correct=None)]])
    (tmp_path / "empty").mkdir()
    there = {path.name for path in tmp_path.iterdir()}
    for arguments, sentence in [
        ((tmp_path,), "holds neither rollouts (part-*.parquet) nor cells (cells.json): name an output of"),
        ((tmp_path / "empty",), "is empty: name an output of reflectgen rollout or reflectgen eval."),
        ((tmp_path / "none",), "There is no folder"),
        ((tmp_path / "blind",), "has no outcomes: sample problems whose answers are known."),
        ((tmp_path / "runs", tmp_path / "other"), "for different models"),
        ((tmp_path / "runs", tmp_path / "runs"), "A folder is named twice"),
        ((tmp_path / "runs", "--k", "6"), "k = 6 does not lie between 1 and the 5 traces of every problem"),
        ((tmp_path / "runs", "--k", "two"), "--k 'two' is no list of whole numbers"),
        ((tmp_path / "runs", "--select", "best"), "Unknown selector 'best'"),
        ((tmp_path / "runs", tmp_path / "out", "--plot", "curve"), "--plot and --frontier are of one folder"),
        ((tmp_path / "runs", "--frontier", tmp_path / "frontier.json"), "--frontier is of an output of reflectgen eval"),
        ((tmp_path / "runs", "--html", tmp_path / "no" / "page.html"), "cannot be written: there is no folder"),
        ((tmp_path / "runs", "--markdown", tmp_path / "empty"), "cannot be written: it is a folder."),
        ((tmp_path / "out", "--plot", "curve.gif"), "A plot is a png or svg file, and 'curve.gif' is none"),
        ((tmp_path / "out", "--plot", tmp_path / "no" / "curve"), "cannot be written: there is no folder"),
        ((tmp_path / "out", "--frontier", tmp_path), "cannot be written: it is a folder."),
    ]:
        done = run("report", *arguments)
        assert done.exit_code == 2 and sentence in done.output and done.output.count("\n") == 1, done.output
    assert {path.name for path in tmp_path.iterdir()} == there
