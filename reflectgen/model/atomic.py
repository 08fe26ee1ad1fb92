"""Files and folders that appear whole or not at all: written under a temporary name beside their own, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reflectgen.errors import InputError


@contextmanager
def replace_file(target: Path) -> Iterator[Path]:
    """A temporary name beside `target` to write to, which becomes `target` in one move; nothing stays after an error."""
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield scratch
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write a text file, all or nothing; raises `InputError` where the disk refuses."""
    try:
        with replace_file(target) as scratch:
            scratch.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"The file {target} cannot be written: {error.strerror}.") from None


@contextmanager
def replace_folder(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary folder beside `target` to write to, which becomes `target` in one move; nothing stays after an error.

    Raises `InputError` where `target` has files and `overwrite` is False, or is a file.
    """
    target = target.expanduser().resolve()
    if target.is_file() or (not overwrite and target.is_dir() and any(target.iterdir())):
        raise InputError(f"{target} exists already: choose another folder, or overwrite it on purpose.")
    scratch, old = (target.with_name(f".{target.name}.{os.getpid()}.{kind}") for kind in ("new", "old"))
    scratch.mkdir(parents=True)
    try:
        yield scratch
        if target.exists():
            target.rename(old)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
