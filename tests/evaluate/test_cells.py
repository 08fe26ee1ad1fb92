from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reflectgen.errors import InputError, OptionError
from reflectgen.evaluate.cells import Cell, Contender, Folder

RUN = {"task": "jsonl", "model": "mine", "backbone": "a", "sampling": {"temperature": 1.0, "top_p": 1.0}}


def cell(text: str = "best_of_n", **changes: Any) -> Cell:
    given: dict[str, Any] = {"select": "sprm", "k": 2, "budget": None, "seed": 0, "replayed": True}
    return Cell(contender=Contender.parse(text), **{**given, **changes})


def rows(*names: str) -> list[dict[str, Any]]:
    return [{"id": name} for name in names]


@pytest.mark.parametrize(
    ("text", "strategy", "settings", "told"),
    [
        ("best_of_n", "best_of_n", {}, "best_of_n"),
        ("pruned:rule=prefix,keep=.25", "pruned", {"rule": "prefix", "keep": 0.25}, "pruned:keep=0.25,rule=prefix"),
        ("pruned: keep = 0.5", "pruned", {}, "pruned"),
        ("reflectgen.search.esc:esc", "reflectgen.search.esc:esc", {}, "reflectgen.search.esc:esc"),
        (
            "reflectgen.search.esc:esc:window=2",
            "reflectgen.search.esc:esc",
            {"window": 2},
            "reflectgen.search.esc:esc:window=2",
        ),
    ],
)
def test_a_strategy_is_read_with_its_settings(text: str, strategy: str, settings: Mapping[str, Any], told: str) -> None:
    found = Contender.parse(text)
    assert (found.strategy, found.settings, str(found)) == (strategy, settings, told)


def test_a_list_of_strategies_is_read_each_once() -> None:
    found = Contender.parse_all(
        ["best_of_n, pruned:rule=prefix,keep=.25 ,esc:window=2", "esc:window=2,pruned:start=3,best_of_n"]
    )
    assert [str(one) for one in found] == ["best_of_n", "pruned:keep=0.25,rule=prefix", "esc:window=2", "pruned:start=3"]
    assert found[2].complete == {"window": 2} and Contender.parse("esc").complete == {"window": 4}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("best_of", "Unknown strategy 'best_of'"),
        ("esc:windows=2", "The settings of esc: windows: Extra inputs are not permitted"),
        ("esc:window=1", "The settings of esc: window: Input should be greater than or equal to 2"),
        ("math:sqrt", "'math:sqrt' is no strategy: it must be a function of an engine and a request."),
        ("math:hypot", "'math:hypot' is no strategy"),
        ("esc:=2", "'=2' in 'esc:=2' is no setting: write it like pruned:rule=prefix,keep=0.25."),
        ("pruned:keep=[", "'keep=\\['.*gives no YAML after its '='"),
    ],
)
def test_a_wrong_strategy_is_one_sentence(text: str, fault: str) -> None:
    with pytest.raises(OptionError, match=fault):
        Contender.parse(text)


def test_every_cell_has_a_file_of_its_own_and_comes_back_from_json() -> None:
    cells = [
        cell(),
        cell(k=3),
        cell(budget=9),
        cell(seed=1),
        cell(replayed=False),
        cell(select="weighted:sprm"),
        cell("esc"),
        cell("esc:window=2"),
        cell("esc:window=3"),
    ]
    files = [one.file for one in cells]
    assert len(set(files)) == len(files) and files == [cell.file for cell in cells]
    assert files[5].startswith("best_of_n-weighted-sprm-k2-seed0-") and files[2].startswith("best_of_n-sprm-k2-b9-seed0-")
    assert [Cell.from_plain(one.plain()) for one in cells] == cells
    assert str(cells[2]) == "best_of_n, sprm, k = 2, 9 tokens, seed 0"


def test_a_cell_of_former_defaults_is_another_one() -> None:
    now = cell("esc")
    former = Cell.from_plain({**now.plain(), "settings_complete": {"window": 3}})
    assert former != now and former.file != now.file and str(former) == str(now)


def test_a_folder_grows_by_cells_of_the_same_run(tmp_path: Path) -> None:
    Folder.create(tmp_path / "out", RUN, [cell()]).write_index()
    grown = Folder.create(tmp_path / "out", {**RUN, "model": "called otherwise"}, [cell("esc"), cell()])
    grown.write_index()
    assert Folder.open(tmp_path / "out").cells == [cell(), cell("esc")]
    (tmp_path / "begun" / "rollouts-seed0").mkdir(parents=True)
    assert Folder.create(tmp_path / "begun", RUN, []).cells == []


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    Folder.create(tmp_path / "out", RUN, [cell()]).write_index()
    for change, told in [
        ({"task": "gsm8k"}, r'another task \("jsonl" against "gsm8k"\): name another.'),
        ({"sampling": {"temperature": 0.5, "top_p": 1.0}}, r"another sampling, temperature \(1.0 against 0.5\)"),
    ]:
        with pytest.raises(InputError, match=told):
            Folder.create(tmp_path / "out", {**RUN, **change}, [])
    with pytest.raises(InputError, match=r"holds no cells.json: make one with reflectgen eval"):
        Folder.open(tmp_path)
    with pytest.raises(InputError, match="holds other files and no cells: name another folder"):
        Folder.create(tmp_path, RUN, [])
    (tmp_path / "cells.json").write_text("[]")
    with pytest.raises(InputError, match=r"cells.json is none of reflectgen eval"):
        Folder.open(tmp_path)
    with pytest.raises(InputError, match=r"cannot be written: (File exists|Not a directory)"):
        Folder.create(tmp_path / "cells.json", RUN, [])


def test_a_file_gets_its_name_with_its_last_row_and_goes_on_after_whole_chunks(tmp_path: Path) -> None:
    folder = Folder.create(tmp_path, RUN, [cell()])
    with folder.log(cell(), 2) as log:
        assert log.kept == []
        log.write(rows("a", "b"))
        log.write(rows("c"))
    assert not folder.has(cell())
    (part,) = tmp_path.glob(".*.part")
    part.write_bytes(part.read_bytes() + b'{"id": "d')
    with folder.log(cell(), 2) as log:
        assert [row.values["id"] for row in log.kept] == ["a", "b"]
        log.write(rows("c"))
        log.finish()
    assert folder.has(cell()) and not part.exists()
    assert [row.values["id"] for row in folder.rows(cell())] == ["a", "b", "c"]


def test_another_machine_may_go_on(tmp_path: Path) -> None:
    folder = Folder.create(tmp_path, RUN, [cell()])
    folder.add_machine({"cpu": "one"})
    folder.write_index()
    later = Folder.create(tmp_path, RUN, [cell()])
    later.add_machine({"cpu": "two"})
    later.add_machine({"cpu": "one"})
    later.write_index()
    assert Folder.open(tmp_path).machines == [{"cpu": "one"}, {"cpu": "two"}]
