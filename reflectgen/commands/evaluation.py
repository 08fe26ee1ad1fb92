"""What `reflectgen eval` was asked for, and what a person sees while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from reflectgen.commands.keeping import keeping
from reflectgen.commands.live import open_model
from reflectgen.commands.progress import progress
from reflectgen.commands.sampling import Source
from reflectgen.commands.sampling import Tally as Sampled
from reflectgen.errors import OptionError
from reflectgen.evaluate.cells import Cell, Contender
from reflectgen.evaluate.frontier import Evaluation, least_of
from reflectgen.evaluate.grid import Grid
from reflectgen.evaluate.report import Report
from reflectgen.reflector import Options
from reflectgen.rollouts import Rollout, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is compared, as the options say it."""

    contenders: Sequence[Contender]
    selects: Sequence[str]
    ks: Sequence[int]
    budgets: Sequence[int]
    seeds: Sequence[int]
    store: Store | None
    """Thinkings that are replayed; None where they are sampled."""
    live: bool

    @classmethod
    def parse(
        cls,
        *,
        strategies: Sequence[str] | None,
        selects: str | None,
        ks: str,
        budgets: str | None,
        seeds: str | None,
        rollouts: Path | None,
        live: bool,
    ) -> Self:
        """From the texts of the options; raises `OptionError` or `InputError` for the first that is wrong."""
        if live and rollouts is not None:
            raise OptionError("--live replays nothing, so --rollouts does not go with it: leave one of them out.")
        contenders = Contender.parse_all(strategies or ["best_of_n"])
        store = None if rollouts is None else Store.open(rollouts)
        return cls(
            contenders=contenders,
            selects=list(dict.fromkeys(name.strip() for name in (selects or "").split(",") if name.strip())),
            ks=numbers("--k", ks),
            budgets=numbers("--budget", budgets or ""),
            seeds=_seeds(seeds, store),
            store=store,
            live=live,
        )

    def grid(self, source: Source, sampling: Options) -> Grid:
        """With the problems, loaded."""
        task, problems = source.load()
        return Grid(
            task=task,
            problems=problems,
            contenders=self.contenders,
            selects=self.selects,
            ks=self.ks,
            budgets=self.budgets,
            seeds=self.seeds,
            sampling=sampling,
            live=self.live,
        )


def numbers(option: str, text: str) -> list[int]:
    """From `2,8,32`, each once; raises `OptionError` for anything but whole numbers."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise OptionError(f"{option} '{text}' is no list of whole numbers: write it like 2,8,32.")
    return list(dict.fromkeys(map(int, parts)))


def _seeds(text: str | None, store: Store | None) -> list[int]:
    """A list, or a number of seeds from 0; without either those of the store, else one."""
    if text is None:
        return [0] if store is None else sorted(least_of(store))
    found = numbers("--seeds", text)
    if not found or text.strip() == "0":
        raise OptionError(f"--seeds '{text}' names no seed: write how many, as in 3, or a list with a comma, as in 0,1.")
    return found if "," in text else list(range(*found))


@dataclass(slots=True)
class Tally:
    """What the cells have come to so far."""

    rows: int = 0
    graded: int = 0
    correct: int = 0
    cell: Cell | None = None
    """The one whose rows came last; what was graded is of it alone."""

    def count(self, cell: Cell, rows: Sequence[Mapping[str, Any]]) -> None:
        """Count the rows of a chunk."""
        if cell is not self.cell:
            self.cell, self.graded, self.correct = cell, 0, 0
        self.rows += len(rows)
        self.graded += sum(row["correct"] is not None for row in rows)
        self.correct += sum(row["correct"] is True for row in rows)

    def __str__(self) -> str:
        right = f"  right {self.correct / self.graded:.1%}" if self.graded else ""
        return f"{self.cell}{right}"


def run(output: Path, source: Source, loading: dict[str, Any], asked: Asked, sampling: Options) -> Report:
    """Run what is missing of the cells in `output`, and return what all of its cells come to."""
    grid = asked.grid(source, sampling)
    with open_model(**loading, prompt=grid.task.prompt) as model:
        evaluation = Evaluation(model, grid, output, asked.store)
        with keeping(lambda: f"what was run so far is kept in {output}"):
            _sample(evaluation)
            _run(evaluation)
    return Report.of(output)


def _sample(evaluation: Evaluation) -> None:
    """Sample the thinkings that will be replayed, under a bar over traces."""
    samplers = evaluation.samplers.values()
    done, missing = (
        sum(len(chunk.problems) * sampler.job.k for sampler in samplers for chunk in getattr(sampler, part))
        for part in ("done", "missing")
    )
    if not missing:
        return
    tally = Sampled()
    with progress(done + missing, done) as show:

        def observe(rollouts: Sequence[Rollout]) -> None:
            tally.count(rollouts)
            show(done + tally.traces, f"sampling  {tally}")

        evaluation.sample(observe)


def _run(evaluation: Evaluation) -> None:
    """Run the cells, under a bar over their problems."""
    tally = Tally()
    with progress(len(evaluation.missing) * len(evaluation.grid.problems)) as show:

        def observe(cell: Cell, rows: Sequence[Mapping[str, Any]]) -> None:
            tally.count(cell, rows)
            show(tally.rows, str(tally))

        evaluation.run(observe)
