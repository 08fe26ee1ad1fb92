import json
from collections.abc import Callable
from pathlib import Path

import pytest
from evaluate.written import write
from typer.testing import Result

Run = Callable[..., Result]


def test_a_folder_is_told_as_tables_and_as_json(run: Run, tmp_path: Path) -> None:
    write(tmp_path, unfinished=1)
    done = run("report", tmp_path)
    assert done.exit_code == 0 and max(map(len, done.output.splitlines())) <= 80
    assert "Chosen by sprm" in done.output and "1 cells are not finished" in done.output
    told = json.loads(run("report", tmp_path, "--json").output)
    assert [entry["strategy"] for entry in told["entries"]] == ["best_of_n", "best_of_n", "adaptive", "pruned", "best_of_n"]


def test_a_plot_and_a_frontier_are_written(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write(tmp_path / "out")
    done = run("report", tmp_path / "out", "--plot", tmp_path / "curve", "--frontier", tmp_path / "frontier.json")
    assert done.exit_code == 0, done.output
    for name in ("curve.png", "curve.svg", "frontier.json"):
        assert f"Written: {tmp_path / name}" in done.output and (tmp_path / name).stat().st_size > 100


def test_mistakes_are_one_sentence_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "out")
    for arguments, sentence in [
        ((tmp_path,), "holds no cells.json: make one with reflectgen eval."),
        ((tmp_path / "out", "--plot", "curve.gif"), "A plot is a png or svg file, and 'curve.gif' is none"),
        ((tmp_path / "out", "--plot", tmp_path / "no" / "curve"), "cannot be written: there is no folder"),
        ((tmp_path / "out", "--frontier", tmp_path), "cannot be written: it is a folder."),
    ]:
        done = run("report", *arguments)
        assert done.exit_code == 2 and sentence in done.output and done.output.count("\n") == 1, done.output
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
