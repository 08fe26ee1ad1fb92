"""A file of problems, solved many at once, resumable: a row is written as soon as its problem is solved.

Problems are solved in units of as many as fill a batch (`reflectgen.reflector.unit`), each apart from all others. A unit of
which rows are missing is solved again as a whole, so that a resumed file has the rows of one that was never interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from reflectgen import tasks
from reflectgen.commands import record
from reflectgen.commands.effort import whole_settings
from reflectgen.commands.keeping import keeping
from reflectgen.commands.live import open_model
from reflectgen.commands.progress import progress
from reflectgen.errors import CapacityError, ModelError
from reflectgen.metrics import wilson
from reflectgen.reflector import Options, Reflector, effort_of, thinkings, unit
from reflectgen.rows import Log, Row, check_writable, read_log
from reflectgen.tasks import hub
from reflectgen.types import Problem, Result


@dataclass(slots=True)
class Tally:
    """What a batch has come to so far."""

    total: int
    solved: int = 0
    graded: int = 0
    correct: int = 0
    tokens: int = 0
    """Tokens generated in this run."""
    failures: list[str] = field(default_factory=list)
    """Why the first thinking failed of each problem of which all failed in this run."""
    began: float = field(default_factory=time.perf_counter)

    def count(self, correct: bool | None) -> None:
        """Count a solved problem; `correct` is None where no gold answer is known."""
        self.solved += 1
        self.graded += correct is not None
        self.correct += correct is True

    @property
    def accuracy(self) -> str:
        """Accuracy with its 95 % interval; empty where nothing was graded."""
        if not self.graded:
            return ""
        low, high = wilson(self.correct, self.graded)
        return f"accuracy {self.correct / self.graded:.1%} [{low:.1%}, {high:.1%}] on {self.graded}"

    @property
    def speed(self) -> str:
        """Tokens generated per second in this run."""
        return f"{self.tokens / max(time.perf_counter() - self.began, 1e-9):,.0f} tokens/s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is solved, how, and where to."""

    source: Path
    output: Path
    task: tasks.Task
    problems: Sequence[Problem]
    options: Options
    settings: dict[str, Any]
    """What the rows depend on, for as long as the batch is resumed."""


def solve_file(source: Path, output: Path, task_name: str | None, options: Options, loading: dict[str, Any]) -> None:
    """Solve the problems in `source`; finished rows of `output` are kept and their problems skipped.

    A problem of which every thinking failed has no row: it is not wrong, and the same command tries it again. Raises
    `InputError` for a wrong row, an output that cannot be written or one that was made with other options, and `ModelError`
    at the end where problems failed.
    """
    task = tasks.named(task_name) if task_name else tasks.of_file(source)
    batch = Batch(
        source=source,
        output=output,
        task=task,
        problems=hub.problems(task, source, "test", None, 0),
        options=options,
        settings=_settings(options, loading),
    )
    tally, left = _resume(batch)
    if left:
        if any(map(task.grades, batch.problems)):
            task.ready()
        with keeping(lambda: _kept(batch)), open_model(**loading, prompt=task.prompt) as model:
            _check_all(model, batch, left)
            _solve_all(model, batch, left, tally)
    rest = f", {tally.speed}" if left else ": nothing was left to do"
    typer.echo(f"{tally.solved} of {tally.total} problems are solved in {output}{rest}.")
    if tally.accuracy:
        typer.echo(tally.accuracy)
    if tally.failures:
        raise ModelError(
            f"Every thinking of {len(tally.failures)} of {tally.total} problems failed ({tally.failures[0]}), so they have no "
            "row: the same command tries them again."
        )


def _settings(options: Options, loading: dict[str, Any]) -> dict[str, Any]:
    """The model and the options, the effort as what it comes to: its name may mean something else tomorrow."""
    effort = effort_of(options)
    own = {name: value for name, value in options.items() if name != "effort"}
    which = {name: loading[name] for name in ("model", "head", "prm", "adapter")}
    return {**which, **own, **effort.model_dump(), "settings": whole_settings(effort)}


def _resume(batch: Batch) -> tuple[Tally, dict[str, Problem]]:
    """Count what the output holds already; return what is left to do, by its id."""
    check_writable(batch.output)
    tally, left = Tally(len(batch.problems)), {problem.id: problem for problem in batch.problems}
    for row in read_log(batch.output) if batch.output.exists() else ():
        _check_row(row, batch.settings)
        if left.pop(row.text("id"), None) is not None:
            tally.count(row.values.get("correct"))
    return tally, left


def _check_row(row: Row, settings: dict[str, Any]) -> None:
    """Raise `InputError` where a row of the output was not written by this batch."""
    found = row.values.get("settings")
    if not isinstance(found, dict):
        raise row.fault("this is no row of `reflectgen solve`, so the file is left alone: give another --output.")
    for name, value in settings.items():
        if found.get(name) != value:
            told = f"it was made with {name} {found.get(name)}, and now {name} is {value}"
            raise row.fault(f"{told}: give another --output, or the same options to go on.")


def _check_all(model: Reflector, batch: Batch, left: Mapping[str, Problem]) -> None:
    """Find a prompt that is too long before anything is solved."""
    for problem in left.values():
        try:
            model.request(problem, **batch.options)
        except CapacityError as error:
            raise CapacityError(f"{batch.source}, problem '{problem.id}': {error}") from None


def _solve_all(model: Reflector, batch: Batch, left: Mapping[str, Problem], tally: Tally) -> None:
    options = Options(**{**batch.options, "extract": batch.task.extract})
    with Log(batch.output) as log, progress(tally.total, tally.solved) as show:
        for problems in _units(batch):
            if any(problem.id in left for problem in problems):
                for result in model.solve_together(problems, **options):
                    tally.tokens += result.cost.tokens_generated
                    if result.problem.id in left:
                        _note(batch, result, log, tally)
                    show(tally.solved, f"{tally.speed} {tally.accuracy}")


def _units(batch: Batch) -> Iterator[Sequence[Problem]]:
    """All problems, those that are solved together at a time."""
    size = unit(thinkings(batch.options))
    return (batch.problems[start : start + size] for start in range(0, len(batch.problems), size))


def _note(batch: Batch, result: Result, log: Log, tally: Tally) -> None:
    """Grade a result and write its row, unless all of it failed."""
    if all(one.finish == "failed" for one in result.trajectories):
        tally.failures.append(next((one.error for one in result.trajectories if one.error), "unknown"))
        return
    correct = batch.task.grade(result.answer, result.problem) if batch.task.grades(result.problem) else None
    log.write(record.row(result, correct=correct, settings=batch.settings))
    tally.count(correct)


def _kept(batch: Batch) -> str:
    """What is written, counted anew: an interrupt may come between a row and its count."""
    tally, _ = _resume(batch)
    return f"{tally.solved} of {tally.total} problems are solved in {batch.output}"
