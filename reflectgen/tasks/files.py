"""Files as benchmarks are published in: rows that know their line, whatever the format.

The suffix tells it: `.csv` (the first line names the fields), `.json` (an array of objects, or JSON Lines after all) and
`.parquet`, in which a row's line is its number; all else is JSON Lines (`reflectgen.rows`). Every fault is an `InputError`
that names the file and the line.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from reflectgen import rows
from reflectgen.errors import InputError
from reflectgen.rows import Row

BATCH = 256
"""Rows of a parquet file in memory at once."""
_SPACE = re.compile(r"\s*")


def read(path: Path) -> Iterator[Row]:
    """The rows of `path`. Raises `InputError` where it cannot be read, or a row is broken or cut off."""
    return FORMATS.get(path.suffix, rows.read)(path)


def _csv(path: Path) -> Iterator[Row]:
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            fields = reader.fieldnames or ()
            line = reader.line_num + 1
            for values in reader:
                row = Row(path, line, values)
                if None in values or None in values.values():
                    raise row.fault(f"the row does not have the {len(fields)} fields that the first line names.")
                yield row
                line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {line}: not valid CSV ({error}).") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}, line {line}: not UTF-8 text.") from None
    except OSError as error:
        raise _unreadable(path, error.strerror) from None


def _json(path: Path) -> Iterator[Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise _unreadable(path, "it is not UTF-8 text") from None
    except OSError as error:
        raise _unreadable(path, error.strerror) from None
    return _array(path, text) if text.lstrip().startswith("[") else rows.read(path)


def _array(path: Path, text: str) -> Iterator[Row]:
    """The objects of a JSON array, one after the other, so that what stands before a fault is read."""
    decoder, place, line = json.JSONDecoder(), text.index("[") + 1, 1
    while True:
        begin = _after_space(text, place)
        if text[begin : begin + 1] == "]":
            return
        line += text.count("\n", place, begin)
        try:
            values, place = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {getattr(error, 'lineno', line)}: {rows.json_fault(error)}.") from None
        row = Row(path, line, values)
        if not isinstance(values, dict):
            raise row.fault("a row must be a JSON object with named fields.")
        yield row
        line += text.count("\n", begin, place)
        end = _after_space(text, place)
        if text[end : end + 1] not in (",", "]"):
            raise row.fault("what follows this row is neither another one nor the end of the array: is the file cut off?")
        line += text.count("\n", place, end)
        place = end + (text[end] == ",")


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    assert found
    return found.end()


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            line = 0
            for batch in file.iter_batches(BATCH):
                for values in batch.to_pylist():
                    line += 1
                    yield Row(path, line, values)
    except (OSError, pyarrow.ArrowException) as error:
        raise _unreadable(path, str(error).partition("\n")[0].rstrip(".")) from None


def _unreadable(path: Path, why: str | None) -> InputError:
    return InputError(f"The file {path} cannot be read: {why}.")


FORMATS: Mapping[str, Callable[[Path], Iterator[Row]]] = {".csv": _csv, ".json": _json, ".parquet": _parquet}
"""Suffix of a file -> its reader."""


def field(row: Row, *names: str) -> Any:
    """The value of the first of `names` that the row has; raises `InputError` where it has none of them."""
    for name in names:
        if name in row.values:
            return row.values[name]
    raise row.fault(f"the field '{names[0]}' is missing.")
