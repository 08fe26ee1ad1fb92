"""JSON Lines files: read with line numbers, written so that a kill loses at most the row being written.

One object per line, UTF-8; a file named `.gz` is read through gzip. Every fault becomes an `InputError` that names the
file and the line.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reflectgen.errors import InputError


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file."""

    path: Path
    line: int
    """Counted from 1."""
    values: Mapping[str, Any]

    def fault(self, sentence: str) -> InputError:
        """The error that says what is wrong with this row."""
        return InputError(f"{self.path}, line {self.line}: {sentence}")

    def text(self, field: str) -> str:
        """The string in `field`; raises `InputError` where it is missing, blank or no string."""
        if field not in self.values:
            raise self.fault(f"the field '{field}' is missing.")
        value = self.values[field]
        if not isinstance(value, str):
            raise self.fault(f"the field '{field}' must be a string, not {json.dumps(value, default=str)[:40]}.")
        if not value.strip():
            raise self.fault(f"the field '{field}' is empty.")
        return value


def read(path: Path) -> Iterator[Row]:
    """The rows of `path`, blank lines skipped. Raises `InputError` where it cannot be read or a line is no JSON object."""
    return (_parse(path, number, line) for number, line in _lines(path))


def read_log(path: Path) -> Iterator[Row]:
    """The rows of a `Log`; a last line that a kill left half-written is passed over. Raises as `read` does."""
    return (_parse(path, number, line) for number, line in _lines(path) if not _is_half_row(line))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                text = line.removeprefix(BOM_UTF8) if number == 1 else line
                if text.strip():
                    yield number, text
    except (OSError, EOFError, zlib.error) as error:  # gzip raises all three, and its own without a `strerror`
        raise InputError(f"The file {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def _parse(path: Path, number: int, line: bytes) -> Row:
    try:
        values = json.loads(line.decode().strip())
    except UnicodeDecodeError:
        raise InputError(f"{path}, line {number}: not UTF-8 text.") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}, line {number}: {json_fault(error)}.") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}, line {number}: a row must be a JSON object with named fields.")
    return Row(path, number, values)


def json_fault(error: ValueError | RecursionError) -> str:
    """Why JSON could not be read, from what the decoder raised."""
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON ({error.msg.removesuffix(' at')} at column {error.colno})"
    return "its JSON is nested too deep" if isinstance(error, RecursionError) else "a number in it has too many digits"


class Log:
    """A file of rows that grows by one flushed row at a time; used as a context manager.

    Opening an existing file keeps its whole rows and cuts off a last line that a kill left half-written. Raises
    `InputError` where the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        check_writable(path)
        try:
            _mend(path)
            self._file = path.open("ab")
        except OSError as error:
            raise _unwritable(path, error) from None

    def write(self, values: Mapping[str, Any]) -> None:
        """Append one row."""
        try:
            self._file.write(json.dumps(values, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()


def write_all(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write `rows` to a temporary name beside `path` and rename it: the file is whole or not there."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None


def check_writable(path: Path) -> None:
    """Raise `InputError` where a file `path` could not be written: asked before the work, not after it."""
    if path.is_dir():
        raise InputError(f"The file {path} cannot be written: it is a folder.")
    if not path.parent.is_dir():
        raise InputError(f"The file {path} cannot be written: there is no folder {path.parent}.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InputError(f"The file {path} cannot be written: permission denied.")


def _mend(path: Path) -> None:
    """End the last row of a log, if there is one, with a newline, or cut it off where it is half-written."""
    content = path.read_bytes() if path.exists() else b""
    last = content[content.rfind(b"\n") + 1 :]
    if _is_half_row(last):
        os.truncate(path, len(content) - len(last))
    elif last:
        with path.open("ab") as file:
            file.write(b"\n")


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"The file {path} cannot be written: {error.strerror}.")


def _is_half_row(last: bytes) -> bool:
    """Whether the last line of a file, up to its end, is a row that was not written out."""
    try:
        json.loads(last)
    except (ValueError, RecursionError):
        return last.startswith(b"{") and not last.endswith(b"\n")
    return False
