import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluate.written import write

from reflectgen.config import load_recipe
from reflectgen.errors import InputError
from reflectgen.evaluate.report import Entry, Report
from reflectgen.metrics import mean_interval, paired_difference, wilson
from reflectgen.search.choice import Frontier


def by_name(report: Report) -> dict[tuple[str, str, int], Entry]:
    return {(entry.strategy, entry.select, entry.k): entry for entry in report.entries}


def test_seeds_are_averaged_within_a_problem_and_problems_drawn(tmp_path: Path) -> None:
    write(tmp_path)
    entry = by_name(Report.of(tmp_path))["best_of_n", "sprm", 2]
    assert entry.seeds == (0, 1) and entry.accuracy is not None
    assert entry.accuracy.estimate == pytest.approx((1 + 0.5 + 0 + 0) / 4)
    assert entry.accuracy == mean_interval(np.array([1, 0.5, 0, 0]))
    assert entry.tokens.estimate == 21.5 and 20 <= entry.tokens.low < 21.5 < entry.tokens.high <= 23
    assert entry.seconds is entry.wall_seconds is entry.gain is entry.share is None


def test_ways_are_compared_with_best_of_n_of_the_same_selector_and_k(tmp_path: Path) -> None:
    write(tmp_path, seconds=3.0)
    found = by_name(Report.of(tmp_path))
    adaptive = found["adaptive", "sprm", 2]
    assert adaptive.gain is not None and adaptive.share is not None and adaptive.wall_seconds is not None
    assert adaptive.gain.estimate == pytest.approx(1 - 0.375)
    assert adaptive.gain == paired_difference(np.ones(4), np.array([1, 0.5, 0, 0]))
    assert adaptive.share.estimate == pytest.approx(46 / 86)
    assert adaptive.share.low < 46 / 86 < adaptive.share.high
    assert (adaptive.seconds and adaptive.seconds.estimate, adaptive.wall_seconds.estimate) == (3.0, 1.5)
    pruned = found["pruned:keep=0.25", "sprm", 2]
    assert pruned.gain is not None and pruned.gain.estimate == -0.375
    assert found["best_of_n", "majority", 2].gain is None


def test_what_nothing_beats_is_marked(tmp_path: Path) -> None:
    write(tmp_path)
    assert [key for key, entry in by_name(Report.of(tmp_path)).items() if entry.efficient] == [("adaptive", "sprm", 2)]
    write(tmp_path / "blind", graded=False)
    report = Report.of(tmp_path / "blind")
    assert {entry.accuracy for entry in report.entries} == {None} and not any(entry.efficient for entry in report.entries)
    with pytest.raises(InputError, match="No strategy without settings and budget was graded"):
        report.frontier()


def test_unfinished_cells_are_counted_and_left_out(tmp_path: Path) -> None:
    write(tmp_path, unfinished=2)
    report = Report.of(tmp_path)
    assert report.missing == 2 and "esc" not in {entry.strategy for entry in report.entries}
    told = json.loads(json.dumps(report.plain()))
    assert told["missing"] == 2 and told["run"]["task"] == "wordproblems"
    (pruned,) = (entry for entry in told["entries"] if entry["strategy"] == "pruned")
    assert pruned["settings"] == {"keep": 0.25} and pruned["accuracy"]["high"] == pytest.approx(wilson(0, 4)[1])
    assert told["notes"][-1] == "2 cells are not finished: the command that began them goes on."


def test_what_ways_do_not_share_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path, seconds=3.0)
    (seeds,) = Report.of(tmp_path).notes
    assert seeds == (
        "Ways were run with different seeds, so that they differ by chance too: 0, 1 (1 of the ways); 0 (4 of the ways)."
    )
    for machine in ({"cpu": "Fast"}, {"cpu": "Slow", "threads": 1}, {"cpu": "Fast"}, {}):
        folder.add_machine(machine)
    folder.write_index()
    _, machines = Report.of(tmp_path).notes
    assert machines == "Seconds were measured on 2 machines: cpu Fast; cpu Slow, threads 1."
    write(tmp_path / "replayed").add_machine({"cpu": "Fast"})
    assert len(Report.of(tmp_path / "replayed").notes) == 1


def test_costs_are_means_over_problems(tmp_path: Path) -> None:
    write(tmp_path)
    entry = Report.of(tmp_path).entries[0]
    assert (entry.prefilled, entry.scored, entry.passes) == (7.0, 0.0, 3.0)


def test_a_frontier_has_the_ways_that_auto_may_choose(tmp_path: Path) -> None:
    write(tmp_path / "out")
    report = Report.of(tmp_path / "out")
    report.write_frontier(tmp_path / "frontier.json")
    found: Frontier = load_recipe(Frontier, tmp_path / "frontier.json")
    assert found == report.frontier() and found.backbone == "none-1x1-0"
    assert [(point.strategy, point.select, point.k, point.accuracy, point.tokens) for point in found.points] == [
        ("best_of_n", "sprm", 2, 0.375, 21.5),
        ("best_of_n", "sprm", 8, 0.75, 81.5),
        ("adaptive", "sprm", 2, 1.0, 11.5),
    ]
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        report.write_frontier(tmp_path / "no" / "frontier.json")


def changed(line: str, **values: Any) -> str:
    """A row with these values."""
    return json.dumps({**json.loads(line), **values}) + "\n"


def test_faulty_cells_are_one_sentence(tmp_path: Path) -> None:
    folder = write(tmp_path)
    file = tmp_path / folder.cells[1].file
    lines = file.read_text().splitlines(keepends=True)
    for content, fault in [
        ("".join(lines[:3]), "has 3 rows and should have 4: remove it and run it again"),
        ("".join([*lines[:3], lines[0]]), "line 4: the problem is 'p0' and should be 'p3': run it again"),
        ("".join([*lines[:3], '{"id": "p3"}\n']), "line 4: the field 'tokens_generated' is missing"),
        ("".join([*lines[:3], changed(lines[3], correct="yes")]), "line 4: the field 'correct' must be true, false or null"),
        ("".join([*lines[:3], changed(lines[3], seconds="x")]), "line 4: the field 'seconds' must be a number"),
        ("".join([*lines[:3], changed(lines[3], tokens_scored=[])]), "line 4: the field 'tokens_scored' must be a number"),
        ("", "has 0 rows and should have 4"),
    ]:
        file.write_text(content)
        with pytest.raises(InputError, match=fault):
            Report.of(tmp_path)
    for cell in folder.cells:
        (tmp_path / cell.file).unlink()
    with pytest.raises(InputError, match="holds no finished cell: let reflectgen eval go on with it"):
        Report.of(tmp_path)
