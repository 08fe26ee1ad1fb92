"""The problems of a task as commands ask for them: from the given file, else from the publisher's files on the Hub.

The files are the publisher's own, in the formats that `--data` takes, and are read by the same reader; they are fetched once
and then come from the local cache, without a connection too.
"""

from __future__ import annotations

from pathlib import Path

from reflectgen.errors import InputError, OptionError, unknown
from reflectgen.tasks.base import Task
from reflectgen.types import Problem

TIMEOUT = 10.0
"""Seconds to wait for the Hub to tell of a file."""


def problems(task: Task, path: Path | None, split: str, limit: int | None, seed: int) -> list[Problem]:
    """What `task.load` gives. Raises what it raises, and `OptionError` for a task that is not to be solved.

    Where there is neither a file nor a way to the Hub, `InputError` names the file to give.
    """
    if task.unsolved:
        raise OptionError(task.unsolved)
    return task.load(find(task, path, split), split, limit, seed)


def find(task: Task, path: Path | None, split: str) -> Path | None:
    """`path`, or where it is None the publisher's file or folder of files, fetched; None where the task needs none."""
    if path is not None or task.hub is None:
        return path
    patterns = task.hub.files.get(split, task.hub.other)
    if not patterns:
        raise unknown("split", split, task.hub.files)
    try:
        return _fetch(task.hub.dataset, patterns)
    except InputError as why:
        raise InputError(f"{_asked(task, split)} ({task.hub.dataset} on the Hub: {why}).") from None


def _fetch(dataset: str, patterns: tuple[str, ...]) -> Path:
    """The file that the patterns fit, or the data set's folder where they fit several; `InputError` says why there is none."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HTTPError, LocalEntryNotFoundError  # type: ignore[attr-defined]

    try:
        folder = Path(snapshot_download(dataset, repo_type="dataset", allow_patterns=list(patterns), etag_timeout=TIMEOUT))
    except GatedRepoError:
        raise InputError("accept its terms there and log in with `hf auth login`") from None
    except LocalEntryNotFoundError:
        raise InputError("no connection") from None
    except (HTTPError, OSError, ValueError) as error:
        raise InputError(str(error).strip().partition("\n")[0].rstrip(".")) from None
    found = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    if not found:
        raise InputError("the files are not there")
    return found[0] if len(found) == 1 else folder


def _asked(task: Task, split: str) -> str:
    """The task's own words for the file that it needs, without the full stop."""
    try:
        task.load(None, split, None, 0)
    except InputError as asked:
        return str(asked).rstrip(".")
    raise AssertionError(f"The task {task.name} is read from a file and does not ask for it.")
