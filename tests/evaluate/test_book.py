from pathlib import Path

import pytest
from evaluate.graded import made
from evaluate.written import write

from reflectgen.errors import InputError, OptionError
from reflectgen.evaluate.book import Book
from reflectgen.evaluate.report import Report
from reflectgen.evaluate.stored import Stored


def test_folders_are_read_by_what_they_hold(tmp_path: Path) -> None:
    made(tmp_path / "store")
    write(tmp_path / "cells")
    book = Book.of([tmp_path / "store", tmp_path / "cells"], ks=[2], selects=["sprm"])
    store, cells = book.parts
    assert isinstance(store, Stored) and isinstance(cells, Report) and store.offline.ks == (2,)
    told = book.plain()
    assert [part["kind"] for part in told["folders"]] == ["store", "eval"] and told["comparisons"] == []


def test_folders_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    for name, sentence in [
        ("none", "There is no folder"),
        ("empty", "is empty: name an output of reflectgen rollout or reflectgen eval"),
        ("other", r"holds neither rollouts \(part-\*.parquet\) nor cells \(cells.json\)"),
        ("other/notes.txt", "There is no folder"),
    ]:
        with pytest.raises(InputError, match=sentence):
            Book.of([tmp_path / name])
    with pytest.raises(OptionError, match="A folder is named twice"):
        Book.of([tmp_path / "empty", tmp_path / "other" / ".." / "empty"])
