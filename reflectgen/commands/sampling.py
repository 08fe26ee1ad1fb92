"""What a person sees while a store is filled, and what it came to."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import typer

from reflectgen import tasks
from reflectgen.commands.keeping import keeping
from reflectgen.commands.live import open_model
from reflectgen.commands.progress import progress
from reflectgen.commands.show import console, pairs
from reflectgen.errors import InputError
from reflectgen.evaluate.runner import Job, Sampler
from reflectgen.evaluate.summary import Summary
from reflectgen.metrics import Interval
from reflectgen.rollouts import Rollout, Store
from reflectgen.tasks import Task, hub
from reflectgen.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where problems come from, as the options say it."""

    task: str | None
    """Name of a task; None for the one that the file's fields show."""
    data: Path | None
    """File of problems; None for a task that makes them."""
    split: str
    limit: int | None
    seed: int
    """Which problems are drawn, or made."""
    instruction: str | None = None
    """What the model is asked to do beside the problem; None for what the task or the model says."""

    def load(self) -> tuple[Task, list[Problem]]:
        """The task and its problems; raises where a name is unknown or a row wrong."""
        if self.task is not None:
            task = tasks.named(self.task)
        elif self.data is not None:
            task = tasks.of_file(self.data)
        else:
            raise InputError("Give --task NAME, or a file of problems with --data, or both.")
        asked = task if self.instruction is None else replace(task, instruction=self.instruction)
        return asked, hub.problems(asked, self.data, self.split, self.limit, self.seed)


@dataclass(slots=True)
class Tally:
    """What a run has come to so far."""

    traces: int = 0
    graded: int = 0
    correct: int = 0
    tokens: int = 0
    """Tokens drawn in this run."""
    began: float = field(default_factory=time.perf_counter)

    def count(self, rollouts: Sequence[Rollout]) -> None:
        """Count the traces of a problem."""
        self.traces += len(rollouts)
        self.graded += sum(rollout.correct is not None for rollout in rollouts)
        self.correct += sum(rollout.correct is True for rollout in rollouts)
        self.tokens += rollouts[0].cost.tokens_generated

    def __str__(self) -> str:
        speed = f"{self.tokens / max(time.perf_counter() - self.began, 1e-9):,.0f} tokens/s"
        return f"{speed}  right {self.correct / self.graded:.1%}" if self.graded else speed


def fill(output: Path, source: Source, loading: dict[str, Any], **job: Any) -> Store:
    """Sample what is missing into the store in `output`; `job` are the other arguments of a `Job`."""
    task, problems = source.load()
    with open_model(**loading, prompt=task.prompt) as model:
        sampler = Sampler(model, Job(task=task, problems=problems, **job), output)
        if not (sampler.done or sampler.missing):
            told = f"{len(problems)} problems come to {len(sampler.chunks)}: a smaller --chunk makes more."
            typer.echo(f"There is no shard for --shard {sampler.job.share}, since {told}", err=True)
        done, missing = (sum(len(chunk.problems) for chunk in part) * sampler.job.k for part in (sampler.done, sampler.missing))
        tally = Tally()
        with keeping(lambda: f"the shards that were written are kept in {output}"), progress(done + missing, done) as show:

            def observe(rollouts: Sequence[Rollout]) -> None:
                tally.count(rollouts)
                show(done + tally.traces, str(tally))

            sampler.run(observe)
    return sampler.store


def print_summary(store: Store, *, as_json: bool) -> None:
    """The header of a store and what it comes to, as a table or as JSON."""
    summary = Summary.of(store)
    if as_json:
        values = {"folder": str(store.folder), "header": asdict(store.header), **asdict(summary), "labels": store.label_names}
        typer.echo(json.dumps(values, ensure_ascii=False, indent=2))
    else:
        console().print(pairs({**_about(store), **_numbers(summary)}))


def _about(store: Store) -> dict[str, Any]:
    header = store.header
    return {
        "store": f"{store.folder} ({len(store.shards)} shards)",
        "task": header.task,
        "model": header.model,
        "backbone": header.backbone,
        "head": header.head or None,
        "step rule": header.step_rule,
        **({"labels": ", ".join(store.label_names)} if store.label_names else {}),
    }


def _numbers(summary: Summary) -> dict[str, Any]:
    failed = {"failed traces": summary.failed} if summary.failed else {}
    return {
        "problems": summary.problems,
        "traces": summary.traces,
        **failed,
        "pass@1": _percent(summary.pass_at_1),
        "any right": _percent(summary.any_right),
        "unfinished": f"{summary.unfinished:.1%}",
        "tokens a trace": f"{summary.tokens:.1f}",
        "steps a trace": f"{summary.steps:.1f}",
    }


def _percent(interval: Interval | None) -> str:
    """A share with its 95 % interval."""
    return "unknown" if interval is None else f"{interval.estimate:.1%} [{interval.low:.1%}, {interval.high:.1%}]"
