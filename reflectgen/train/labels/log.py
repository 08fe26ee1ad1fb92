"""Work on labels that is dear is logged beside the store, a row a unit, so that what was killed goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reflectgen.rollouts import Rollout, Store
from reflectgen.rows import Log, Row, read_log
from reflectgen.train.labels.base import Key, Labels, Unit

Work = Callable[[Sequence[Sequence[Rollout]]], Iterator[Unit]]
"""Groups of traces -> a unit for each group, in any order."""


def log_path(store: Store, name: str) -> Path:
    """Where the units of the labels `name` are logged until all are there."""
    return store.folder / f".labels-{name}.log"


def resumed(
    store: Store, name: str, settings: Mapping[str, Any], groups: Sequence[Sequence[Rollout]], work: Work
) -> Iterator[Unit]:
    """The units of all `groups`: first those in the log, then the rest, each logged as it is done.

    Raises `InputError` where the log was begun with other `settings`.
    """
    path = log_path(store, name)
    rows = list(read_log(path)) if path.exists() else []
    for row in rows[:1]:
        _check(row, settings)
    done = [_decode(row) for row in rows[1:]]
    yield from done
    labelled = {key for unit in done for key in unit.labels}
    with Log(path) as log:
        if not rows:
            log.write({"settings": dict(settings)})
        for unit in work([group for group in groups if not labelled.issuperset(rollout.key for rollout in group)]):
            log.write(_encode(unit))
            yield unit


def finish(store: Store, name: str, labels: Mapping[Key, Labels]) -> Path:
    """Write the labels `name` of the store, and remove their log."""
    path = store.write_labels(name, labels)
    log_path(store, name).unlink(missing_ok=True)
    return path


def _check(row: Row, settings: Mapping[str, Any]) -> None:
    """Raise where the log's first row does not say that it was begun with `settings`."""
    found = row.values.get("settings")
    if not isinstance(found, dict):
        raise row.fault("this is no log of labels: remove it.")
    for name, value in settings.items():
        if found.get(name) != value:
            told = f"these labels were begun with {name} {found.get(name)}, and now {name} is {value}"
            raise row.fault(f"{told}: give the same options or another --name, or remove this file.")


def _encode(unit: Unit) -> dict[str, Any]:
    rows = [[problem, sample, list(labels)] for (problem, sample), labels in unit.labels.items()]
    return {"labels": rows, "tokens": unit.tokens}


def _decode(row: Row) -> Unit:
    try:
        labels = {(str(problem), int(sample)): tuple(map(float, values)) for problem, sample, values in row.values["labels"]}
        return Unit(labels, int(row.values["tokens"]))
    except (KeyError, TypeError, ValueError):
        raise row.fault("this is no log of labels: remove it.") from None
