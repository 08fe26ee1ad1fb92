import gzip
from pathlib import Path

import pytest

from reflectgen.errors import InputError
from reflectgen.rows import Log, read, read_log, write_all


def test_rows_know_their_lines_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('\ufeff{"a": 1}\n\n{"a": "Ü"}', encoding="utf-8")
    assert [(row.line, row.values) for row in read(path)] == [(1, {"a": 1}), (3, {"a": "Ü"})]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"a": 1', r"line 2: not valid JSON \(Expecting ',' delimiter at column 8\)"),
        ('{"a', r"line 2: not valid JSON \(Unterminated string starting at column 2\)"),
        ("[1]", "line 2: a row must be a JSON object"),
        (f'{{"a": {"9" * 5_000}}}', "line 2: a number in it has too many digits"),
        ('{"a": ' + "[" * 99_999, "line 2: its JSON is nested too deep"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, fault: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n' + line)
    with pytest.raises(InputError, match=fault):
        list(read(path))


@pytest.mark.parametrize(
    ("values", "fault"),
    [("{}", "'a' is missing"), ('{"a": 3}', "'a' must be a string, not 3"), ('{"a": " "}', "'a' is empty")],
)
def test_a_text_must_be_there(tmp_path: Path, values: str, fault: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(values)
    (row,) = read(path)
    with pytest.raises(InputError, match=f"rows.jsonl, line 1: the field {fault}"):
        row.text("a")


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        list(read(tmp_path / "none.jsonl"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="line 1: not UTF-8 text"):
        list(read(tmp_path / "bytes"))


def test_a_packed_file_is_read_as_what_it_packs(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    packed = gzip.compress(b'{"a": 1}\n{"a": 2}\n' * 99)
    path.write_bytes(packed)
    assert [row.values["a"] for row in read(path)] == [1, 2] * 99
    for damaged in (b'{"a": 1}', packed[:-9], packed[:12] + b"\xff" * 9 + packed[21:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"rows\.jsonl\.gz cannot be read: \w"):
            list(read(path))


def test_a_log_grows_row_by_row_and_each_row_is_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with Log(path) as log:
        log.write({"id": "1"})
        assert path.read_text() == '{"id": "1"}\n'
        log.write({"id": "ü"})
    with Log(path) as log:
        log.write({"id": "3"})
    assert path.read_text(encoding="utf-8") == '{"id": "1"}\n{"id": "ü"}\n{"id": "3"}\n'


@pytest.mark.parametrize("half", [b'{"id": "2", "ans', b"{", '{"id": "2", "answer": "ü'.encode()[:-1]])
def test_a_half_written_last_row_is_passed_over_and_cut_off(tmp_path: Path, half: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"id": "1"}\n' + half)
    assert [row.values["id"] for row in read_log(path)] == ["1"]
    with Log(path) as log:
        log.write({"id": "2"})
    assert [row.values["id"] for row in read(path)] == ["1", "2"]


def test_a_whole_last_row_without_its_newline_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"id": "1"}')
    with Log(path) as log:
        log.write({"id": "2"})
    assert [row.values["id"] for row in read(path)] == ["1", "2"]


def test_a_file_that_is_no_log_is_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes")
    with pytest.raises(InputError, match="line 1: not valid JSON"):
        list(read_log(path))
    with Log(path):
        pass
    assert path.read_text() == "my notes\n"


def test_an_unwritable_path_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is a folder"):
        Log(tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        Log(tmp_path / "none" / "log.jsonl")


def test_write_all_leaves_the_whole_file_or_none(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with pytest.raises(TypeError):
        write_all(path, [{"a": 1}, {"a": object()}])
    assert not path.exists()
    write_all(path, [{"a": 1}])
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == '{"a": 1}\n'
