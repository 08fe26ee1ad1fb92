"""Cells of a frontier, and the folder that holds them: what was run in `cells.json`, and one file of rows for each cell.

A cell's rows are written a chunk of problems at a time under a temporary name; the file gets its own name when the last row is
in it. What a kill left of a chunk is cut off, so that the rows are those of a run that was never killed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

from reflectgen import search
from reflectgen.config import yaml_value
from reflectgen.errors import InputError, OptionError
from reflectgen.model.atomic import replace_file
from reflectgen.rows import Log, Row, read, read_log, write_all

INDEX = "cells.json"
STORES = "rollouts-seed*"
"""Folders of thinkings beside the cells that were played from them."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A strategy with its settings; made by `parse` or `of`."""

    strategy: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Those that are not the defaults."""
    complete: Mapping[str, Any] = field(default_factory=dict)
    """All of them, since another version may have other defaults."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `pruned:rule=prefix,keep=.25`; raises `OptionError` for an unknown name or setting."""
        head, equals, _ = text.partition("=")
        name, _, _ = head.rpartition(":") if equals else (text, "", "")
        if not name.strip():
            raise OptionError(f"'{text}' begins with a setting: write it like pruned:rule=prefix,keep=0.25.")
        search.named(name.strip())
        settings: dict[str, Any] = {}
        for pair in text[len(name) + 1 :].split(",") if equals else ():
            key, equals, value = pair.partition("=")
            if not (key.strip() and equals):
                raise OptionError(f"'{pair}' in '{text}' is no setting: write it like pruned:rule=prefix,keep=0.25.")
            settings[key.strip()] = yaml_value(value, f"'{pair}' in '{text}'")
        return cls.of(name.strip(), settings)

    @classmethod
    def of(cls, strategy: str, settings: Mapping[str, Any]) -> Self:
        """With the settings checked, and defaults left out; raises `OptionError`."""
        if strategy not in search.SETTINGS:
            return cls(strategy, dict(settings), dict(settings))
        checked = search.SETTINGS[strategy].parse(dict(settings), f"The settings of {strategy}")
        return cls(strategy, checked.model_dump(mode="json", exclude_defaults=True), checked.model_dump(mode="json"))

    @classmethod
    def parse_all(cls, texts: Sequence[str]) -> list[Self]:
        """From lists of them, as `best_of_n,pruned:rule=prefix,keep=.25,esc`; each once."""
        pieces: list[str] = []
        for piece in ",".join(texts).split(","):
            if pieces and re.match(r"\s*\w+\s*=", piece):
                pieces[-1] += f",{piece}"
            elif piece.strip():
                pieces.append(piece.strip())
        found = {str(contender): contender for contender in map(cls.parse, pieces)}
        return list(found.values())

    @property
    def key(self) -> str:
        """What tells it from others."""
        return json.dumps([self.strategy, self.complete], sort_keys=True, default=str)

    def __str__(self) -> str:
        told = ",".join(f"{name}={value}" for name, value in sorted(self.settings.items()))
        return f"{self.strategy}:{told}" if told else self.strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One strategy with one selector, k or budget, and seed, over all problems."""

    contender: Contender
    select: str
    k: int
    budget: int | None
    """Most tokens of a problem; None for no limit."""
    seed: int
    replayed: bool
    """Whether its thinkings came out of a store: then tokens fed, passes and seconds were not measured."""

    def __str__(self) -> str:
        budget = "" if self.budget is None else f", {self.budget} tokens"
        return f"{self.contender}, {self.select}, k = {self.k}{budget}, seed {self.seed}"

    @property
    def file(self) -> str:
        """Name of the file of its rows."""
        values = [self.contender.key, self.select, self.k, self.budget, self.seed, self.replayed]
        digest = blake2b(json.dumps(values).encode(), digest_size=4).hexdigest()
        budget = "" if self.budget is None else f"-b{self.budget}"
        name = f"{self.contender.strategy}-{self.select}-k{self.k}{budget}-seed{self.seed}-{digest}"
        return re.sub(r"[^\w.-]", "-", name) + ".jsonl"

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "file": self.file,
            "strategy": self.contender.strategy,
            "settings": dict(self.contender.settings),
            "settings_complete": dict(self.contender.complete),
            **{name: getattr(self, name) for name in ("select", "k", "budget", "seed", "replayed")},
        }

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Self:
        """Back from JSON."""
        named = {name: values[name] for name in ("select", "k", "budget", "seed", "replayed")}
        contender = Contender(values["strategy"], values["settings"], values["settings_complete"])
        return cls(contender=contender, **named)


class Folder:
    """The cells of one model, task and sampling. Use `create` to write and `open` to read."""

    def __init__(self, path: Path, run: Mapping[str, Any], cells: Sequence[Cell]) -> None:
        self.path = path
        self.run = run
        """What all cells have in common, as JSON."""
        self.cells = list(cells)

    @classmethod
    def create(cls, path: Path, run: Mapping[str, Any], cells: Sequence[Cell]) -> Self:
        """A new folder for these cells, or the one that is there, its own cells first.

        Raises `InputError` where it holds something else, or the cells of another run, and where it cannot be written.
        """
        plain = json.loads(json.dumps(run))
        try:
            path.mkdir(parents=True, exist_ok=True)
            strange = any(not found.name.startswith(".") and not found.match(STORES) for found in path.iterdir())
        except OSError as error:
            raise InputError(f"The folder {path} cannot be written: {error.strerror}.") from None
        if not (path / INDEX).exists():
            if strange:
                raise InputError(f"The folder {path} holds other files and no cells: name another folder.")
            return cls(path, plain, cells)
        there = cls.open(path)
        for name, value in plain.items():
            if name != "model" and (found := there.run.get(name)) != value:  # what the model is called does not count
                raise InputError(f"The folder {path} holds a run with another {_difference(name, found, value)}: name another.")
        return cls(path, plain, [*there.cells, *(cell for cell in cells if cell not in there.cells)])

    @classmethod
    def open(cls, path: Path) -> Self:
        """The cells in `path`; raises `InputError` where there are none."""
        try:
            values = json.loads((path / INDEX).read_text(encoding="utf-8"))
            return cls(path, values["run"], [Cell.from_plain(cell) for cell in values["cells"]])
        except OSError:
            raise InputError(f"The folder {path} holds no {INDEX}: make one with reflectgen eval.") from None
        except (KeyError, TypeError, ValueError):
            raise InputError(f"The file {path / INDEX} is none of reflectgen eval: name another folder.") from None

    def write_index(self) -> None:
        """Write what was run, all or nothing."""
        plain = {"run": self.run, "cells": [cell.plain() for cell in self.cells]}
        try:
            with replace_file(self.path / INDEX) as scratch:
                scratch.write_text(json.dumps(plain, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(f"The folder {self.path} cannot be written: {error.strerror}.") from None

    def has(self, cell: Cell) -> bool:
        """Whether all its rows are there."""
        return (self.path / cell.file).exists()

    def rows(self, cell: Cell) -> list[Row]:
        """The rows of a finished cell, in the order of the problems."""
        return list(read(self.path / cell.file))

    def log(self, cell: Cell, chunk: int) -> CellLog:
        """To write the rest of a cell's rows, `chunk` at a time."""
        return CellLog(self.path / cell.file, chunk)


class CellLog:
    """The rows of a cell as far as they are written; used as a context manager."""

    def __init__(self, path: Path, chunk: int) -> None:
        """Keeps the whole chunks of `chunk` rows that are there; raises `InputError` where a row is wrong."""
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        found = list(read_log(self._part)) if self._part.exists() else []
        self.kept = found[: len(found) // chunk * chunk]
        """Rows that were written before."""
        if len(self.kept) < len(found):
            write_all(self._part, [dict(row.values) for row in self.kept])
        self._log = Log(self._part)

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append a chunk's rows."""
        for row in rows:
            self._log.write(row)

    def finish(self) -> None:
        """Give the file its name."""
        self._log.__exit__(None, None, None)
        self._part.replace(self._path)

    def __enter__(self) -> Self:
        self._log.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._log.__exit__(None, None, None)


def _difference(name: str, found: Any, asked: Any) -> str:
    """What differs, named as far down as it is mappings that differ, and both values."""
    while isinstance(found, dict) and isinstance(asked, dict):
        key = next(key for key in {**found, **asked} if found.get(key) != asked.get(key))
        name, found, asked = f"{name}, {key}", found.get(key), asked.get(key)
    told = (json.dumps(value, ensure_ascii=False) for value in (found, asked))
    return "{} ({} against {})".format(name.replace("_", " "), *told)
