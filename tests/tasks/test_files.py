import json
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from reflectgen.errors import InputError
from reflectgen.tasks.files import field, read

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y\nz"}]


def values(path: Path) -> list[tuple[int, dict[str, object]]]:
    return [(row.line, dict(row.values)) for row in read(path)]


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "lines.json").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "rows.json").write_text(json.dumps(ROWS, indent=2))
    (tmp_path / "flat.json").write_text("\ufeff" + json.dumps(ROWS))
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    assert values(tmp_path / "rows.jsonl") == values(tmp_path / "lines.json") == [(1, ROWS[0]), (2, ROWS[1])]
    assert values(tmp_path / "rows.parquet") == [(1, ROWS[0]), (2, ROWS[1])]
    assert values(tmp_path / "rows.json") == [(2, ROWS[0]), (6, ROWS[1])]
    assert values(tmp_path / "flat.json") == [(1, ROWS[0]), (1, ROWS[1])]


def test_csv_rows_know_where_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('\ufeffa,b\n1,x\n2,"y\nz"\n3,"say ""so"""\n')
    assert values(path) == [(2, {"a": "1", "b": "x"}), (3, {"a": "2", "b": "y\nz"}), (5, {"a": "3", "b": 'say "so"'})]


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("rows.csv", "a,b\n1,x\n2\n", "rows.csv, line 3: the row does not have the 2 fields that the first line names"),
        ("rows.csv", "a,b\n1,x,y\n", "rows.csv, line 2: the row does not have the 2 fields"),
        ("rows.csv", 'a,b\n1,x\n2,"y\n', "rows.csv, line 3: not valid CSV (unexpected end of data)"),
        ("rows.json", '[\n{"a": 1},\n{"a": 2', "rows.json, line 3: not valid JSON"),
        ("rows.json", '[{"a": 1}\n', "rows.json, line 1: what follows this row is neither another one nor the end"),
        ("rows.json", '[{"a": 1}, 2]', "rows.json, line 1: a row must be a JSON object"),
        ("rows.json", f'[{{"a": 1}},\n{{"a": {"9" * 5_000}}}]', "rows.json, line 2: a number in it has too many digits"),
        ("rows.json", '[{"a": 1},\n{"a": ' + "[" * 99_999, "rows.json, line 2: its JSON is nested too deep"),
        ("rows.parquet", "PAR1", "rows.parquet cannot be read"),
        ("rows.jsonl", '{"a": 1}\n{"a"', "rows.jsonl, line 2: not valid JSON"),
    ],
)
def test_what_is_wrong_or_cut_off_is_told_with_its_line(tmp_path: Path, name: str, text: str, fault: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as told:
        list(read(tmp_path / name))
    assert fault in str(told.value) and "\n" not in str(told.value)


def test_what_only_parquet_holds_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.Table.from_pylist([{"a": b"x", "b": datetime(2001, 2, 3)}]), path)
    (row,) = read(path)
    for name in ("a", "b"):
        with pytest.raises(InputError, match=f"rows.parquet, line 1: the field '{name}' must be a string, not "):
            row.text(name)


@pytest.mark.parametrize("name", ["none.csv", "none.json", "none.jsonl", "none.parquet"])
def test_a_missing_file_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name} cannot be read"):
        list(read(tmp_path / name))


@pytest.mark.parametrize("name", ["rows.csv", "rows.json", "rows.jsonl"])
def test_what_is_no_text_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"[\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8 text"):
        list(read(tmp_path / name))


def test_a_field_has_the_first_name_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"b": 2, "c": 3}')
    (row,) = read(tmp_path / "rows.jsonl")
    assert field(row, "a", "b", "c") == 2
    with pytest.raises(InputError, match="line 1: the field 'd' is missing"):
        field(row, "d")
