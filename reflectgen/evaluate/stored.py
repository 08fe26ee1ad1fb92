"""What a store of rollouts comes to: every way to choose at every k, and what its scores are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from reflectgen.evaluate.examples import Example, examples
from reflectgen.evaluate.offline import Offline, Row
from reflectgen.evaluate.report import REFERENCE, Entry
from reflectgen.evaluate.traces import Traces
from reflectgen.evaluate.worth import Worth
from reflectgen.metrics import interval, mean
from reflectgen.rollouts import Store


@dataclass(frozen=True)
class Stored:
    """A store, read and decided over."""

    store: Store
    offline: Offline
    worth: Worth

    @classmethod
    def of(cls, folder: Path, ks: Sequence[int] = (), selects: Sequence[str] = ()) -> Self:
        """Raises as `Store.open`, `Traces.of` and `Offline` do."""
        store = Store.open(folder)
        offline = Offline(Traces.of(store), ks, selects)
        return cls(store, offline, Worth.of(offline))

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.store.folder

    @property
    def run(self) -> dict[str, Any]:
        """What all its traces have in common, as JSON."""
        return asdict(self.store.header)

    @property
    def title(self) -> str:
        """What it is of, in a line."""
        traces, header = self.offline.traces, self.store.header
        return f"{Path(header.model).name} on {header.task}, {len(traces.problems):,} problems x {traces.samples} traces"

    @property
    def notes(self) -> list[str]:
        """What a reader must know to judge the figures."""
        found = list(self.offline.traces.notes)
        if not self.offline.traces.graded:
            found.append("No head graded these traces: ways that need step scores are left out.")
        if any(way.select.endswith("blend") for way in self.offline.ways):
            found.append("Blends are standardised over all traces of the store, and not by the scales of a head.")
        if error := max((row.error for row in self.rows), default=0.0):
            drawn = ", ".join(str(k) for k in dict.fromkeys(row.k for row in self.rows if row.error))
            found.append(
                f"Votes at k = {drawn} are counted over drawn sets, to a standard error of {100 * error:.2g} points or less."
            )
        return found

    @property
    def entries(self) -> list[Entry]:
        """The ways of the stored score, as those of `reflectgen eval` are; they differ in how they choose alone."""
        return [self._entry(row) for row in self.offline.rows() if not row.way.aggregate]

    @cached_property
    def rows(self) -> list[Row]:
        """All ways at all k."""
        return list(self.offline.rows())

    @cached_property
    def examples(self) -> list[Example]:
        """Traces worth reading; none where the store holds no texts."""
        return examples(self.store, self.offline)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        traces = self.offline.traces
        return {
            "kind": "store",
            "folder": str(self.folder),
            "run": self.run,
            "problems": len(traces.problems),
            "traces": traces.samples,
            "unfinished": float(traces.unfinished.mean()),
            "notes": self.notes,
            "pass_at_1": asdict(self.offline.pass_at_1),
            "any_right": {str(k): asdict(self.offline.any_right(k)) for k in self.offline.ks},
            "rows": [row.plain() for row in self.rows],
            "worth": self.worth.plain(),
        }

    def _entry(self, row: Row) -> Entry:
        tokens = self.offline.traces.generated.mean(axis=1) * row.k
        return Entry(
            contender=REFERENCE,
            select=str(row.way),
            k=row.k,
            budget=None,
            seeds=(),
            replayed=True,
            accuracy=row.accuracy,
            tokens=interval(mean, tokens),
            prefilled=row.spent.tokens_prefilled,
            scored=row.spent.tokens_scored,
            passes=row.spent.forward_passes,
            seconds=None,
            wall_seconds=None,
        )
