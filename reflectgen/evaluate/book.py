"""Folders read into one book: what each comes to, and how those of one task compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from reflectgen.errors import InputError, OptionError
from reflectgen.evaluate.cells import INDEX
from reflectgen.evaluate.comparison import Comparison, Part, comparisons
from reflectgen.evaluate.report import Report
from reflectgen.evaluate.stored import Stored
from reflectgen.rollouts.shard import shards


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Stores and folders of cells, in the order in which they were named."""

    parts: tuple[Part, ...]
    comparisons: tuple[Comparison, ...]

    @classmethod
    def of(
        cls,
        folders: Sequence[Path],
        *,
        ks: Sequence[int] = (),
        selects: Sequence[str] = (),
        across_models: bool = False,
    ) -> Self:
        """Read folders; `ks` and `selects` are of stores, by default all that they allow.

        Raises `InputError` for a folder of neither kind, `OptionError` for one that is named twice, and what `Stored.of`,
        `Report.of` and `comparisons` raise.
        """
        if len({folder.resolve() for folder in folders}) < len(folders):
            raise OptionError("A folder is named twice: name each once.")
        parts = tuple(_read(folder, ks, selects) for folder in folders)
        return cls(parts=parts, comparisons=tuple(comparisons(parts, across_models=across_models)))

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "folders": [part.plain() for part in self.parts],
            "comparisons": [comparison.plain() for comparison in self.comparisons],
        }


def _read(folder: Path, ks: Sequence[int], selects: Sequence[str]) -> Part:
    if (folder / INDEX).exists():
        return Report.of(folder)
    if shards(folder):
        return Stored.of(folder, ks, selects)
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}: name an output of reflectgen rollout or reflectgen eval.")
    what = "is empty" if not any(folder.iterdir()) else f"holds neither rollouts (part-*.parquet) nor cells ({INDEX})"
    raise InputError(f"The folder {folder} {what}: name an output of reflectgen rollout or reflectgen eval.")
