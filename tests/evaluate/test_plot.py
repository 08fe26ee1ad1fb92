import sys
from pathlib import Path

import pytest
from evaluate.written import write

from reflectgen.errors import InputError, OptionError
from reflectgen.evaluate import plot
from reflectgen.evaluate.report import Report


def report(path: Path, seconds: float | None = None, *, graded: bool = True) -> Report:
    write(path, seconds=seconds, graded=graded)
    return Report.of(path)


def test_an_ending_names_the_format_and_none_means_both(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = report(tmp_path / "out")
    assert plot.draw(found, tmp_path / "one.svg") == [tmp_path / "one.svg"]
    assert plot.draw(found, tmp_path / "both") == [tmp_path / "both.png", tmp_path / "both.svg"]
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"out", "one.svg", "both.png", "both.svg"}
    with pytest.raises(OptionError, match=r"A plot is a png or svg file, and 'one.gif' is none"):
        plot.draw(found, tmp_path / "one.gif")


def test_every_way_is_a_labelled_line_and_equal_reports_give_equal_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    texts = []
    for name in ("one", "two"):
        (file,) = plot.draw(report(tmp_path / name), tmp_path / f"{name}.svg")
        texts.append(file.read_text())
    assert texts[0] == texts[1]
    for told in ("best_of_n, sprm<", "adaptive, sprm<", "pruned:keep=0.25, sprm<", "best_of_n, majority, k = 2, by budget<"):
        assert told in texts[0]
    assert "right answers, %" in texts[0] and "tokens generated for a problem" in texts[0]
    assert "tiny on wordproblems, 4 problems, 1 to 2 seeds" in texts[0] and "seconds for a problem" not in texts[0]


def test_measured_seconds_get_a_panel_of_their_own(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (file,) = plot.draw(report(tmp_path / "out", seconds=2.0), tmp_path / "timed.svg")
    assert "seconds for a problem" in file.read_text()


def test_what_cannot_be_drawn_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(InputError, match=r"No cell in .* was graded, so there is no accuracy to draw"):
        plot.draw(report(tmp_path / "blind", graded=False), tmp_path / "blind.svg")
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        plot.draw(report(tmp_path / "out"), tmp_path / "no" / "one.png")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(OptionError, match=r"Plots need matplotlib: install it with pip install 'reflectgen\[plots\]'"):
        plot.check_installed()
