"""The one sampler: task x model x k x seed -> a store of rollouts, resumable.

The task's problems, in their order, are cut into chunks of one size. Chunk i is sampled apart from all others, graded, and
written as shard i; what is missing is redone a whole chunk at a time. Since what is computed together depends on the chunk
alone, a run that was killed and gone on with ends in the tokens of a run that was not, in 16 bits too, as long as machine,
threads and cache budget stay the same. Processes that share a folder take every n-th shard each.

Grading, which may run a program for seconds, happens on threads of its own while the next tokens are drawn.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from reflectgen.errors import CapacityError, InputError, ModelError, OptionError
from reflectgen.evaluate.chunks import Chunk, Share, check_stored, cut
from reflectgen.reflector import Options, Reflector, unit
from reflectgen.rollouts import Header, Rollout, Store
from reflectgen.tasks import Task
from reflectgen.types import Problem, Result

AHEAD = 2
"""Chunks that may wait for their grades before sampling waits for them."""

Observe = Callable[[Sequence[Rollout]], None]
"""Told of the graded traces of a problem, on a grading thread; one call at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is sampled."""

    task: Task
    problems: Sequence[Problem]
    k: int = 8
    """Traces of each problem."""
    seed: int = 0
    sampling: Options = field(default_factory=lambda: Options())
    """Of the options of `Reflector.solve`, those that say how tokens are drawn; the model's own where empty."""
    chunk: int | None = None
    """Problems of a shard; None for as many as fill a batch (`reflectgen.reflector.unit`)."""
    share: Share = field(default_factory=Share)
    """The shards that this process takes."""
    compact: bool = False
    """Whether to leave out what can be computed again."""

    def __post_init__(self) -> None:
        if self.chunk is not None and self.chunk < 1:
            raise OptionError(f"A chunk of {self.chunk} problems holds nothing: give at least 1.")
        if len({problem.id for problem in self.problems}) < len(self.problems):
            raise InputError(f"Two problems of the task '{self.task.name}' have one id: each needs its own.")

    @property
    def options(self) -> Options:
        """How the model is to sample: every thinking answers, and nothing needs a head or a vote."""
        return Options(**{**self.sampling, "k": self.k, "seed": self.seed, "extract": self.task.extract, "select": "logprob"})


def rollout(model: Reflector, job: Job, folder: Path, observe: Observe = lambda rollouts: None) -> Store:
    """Sample what is still missing of `job` into the store in `folder`, and return that store. See `Sampler`."""
    sampler = Sampler(model, job, folder)
    sampler.run(observe)
    return sampler.store


class Sampler:
    """A job that was checked against its model and its store, ready to go on where it stopped."""

    def __init__(self, model: Reflector, job: Job, folder: Path) -> None:
        """Nothing is sampled yet, and nothing written.

        Raises `CapacityError` for a problem that does not fit the context, `InputError` where `folder` holds something else
        than this job writes (other files, or rollouts of another model, prompt, seed, size of chunk and so on), and what
        `task.ready` raises.
        """
        if any(map(job.task.grades, job.problems)):
            job.task.ready()
        self.model = model
        self.job = job
        self.chunks = cut(job.problems, [prompt_of(model, job, problem) for problem in job.problems], job.chunk or unit(job.k))
        self.store = Store.create(folder, header(model, job))
        check_stored(self.store, self.chunks, job.k, job.seed)
        mine = [chunk for chunk in self.chunks if job.share.takes(chunk.index)]
        self.done = [chunk for chunk in mine if self.store.has_shard(chunk.index)]
        """Chunks of this process's share that the store holds already."""
        self.missing = [chunk for chunk in mine if not self.store.has_shard(chunk.index)]
        """Those that are still to be sampled."""
        self._observing = threading.Lock()

    def run(self, observe: Observe = lambda rollouts: None) -> None:
        """Sample, grade and write the missing chunks.

        Traces that failed are rows with their error; where all of a chunk failed, `ModelError` is raised and nothing of the
        chunk written. At an error the chunks that were sampled before are graded and written first; what is left then, or when
        an interrupt comes, is for the next run.
        """
        writes: deque[Future[Path]] = deque()
        pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="reflectgen-grade")
        try:
            for chunk in self.missing:
                graded = self._sample(chunk, pool, observe)
                writes.append(pool.submit(self._write, chunk, graded))
                while writes and (writes[0].done() or len(writes) > AHEAD):
                    writes.popleft().result()
            for write in writes:
                write.result()
        except Exception:
            wait(writes)
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _sample(self, chunk: Chunk, pool: ThreadPoolExecutor, observe: Observe) -> list[Future[list[Rollout]]]:
        """The chunk's problems in their order, each being graded since it was sampled."""
        graded, errors = {}, []
        for result in self.model.solve_together(chunk.problems, **self.job.options):
            graded[result.problem.id] = pool.submit(self._grade, result, chunk.prompts[result.problem.id], observe)
            errors += [trajectory.error for trajectory in result.trajectories if trajectory.finish == "failed"]
        if len(errors) == len(chunk.problems) * self.job.k:
            raise ModelError(
                f"All traces of shard {chunk.index} failed ({errors[0]}), so it was not written: where memory ran out, give a "
                "smaller --kv-budget, then the same command again."
            )
        return [graded[problem.id] for problem in chunk.problems]

    def _grade(self, result: Result, prompt: Sequence[int], observe: Observe) -> list[Rollout]:
        rollouts = [
            Rollout.of(result.problem, sample, self.job.seed, prompt, trajectory, self._outcome(result, sample), result.cost)
            for sample, trajectory in enumerate(result.trajectories)
        ]
        with self._observing:
            observe(rollouts)
        return rollouts

    def _outcome(self, result: Result, sample: int) -> bool | None:
        """Whether the trace's answer is right; None where no gold answer is known."""
        if not self.job.task.grades(result.problem):
            return None
        return self.job.task.grade(result.trajectories[sample].answer, result.problem)

    def _write(self, chunk: Chunk, graded: Sequence[Future[list[Rollout]]]) -> Path:
        """Wait for the grades; they were queued before, so that a thread which waits here keeps none of them from running."""
        rollouts = [rollout for problem in graded for rollout in problem.result()]
        return self.store.write_shard(chunk.index, rollouts, compact=self.job.compact)


def header(model: Reflector, job: Job) -> Header:
    """What the traces of `job` have in common."""
    sampling = model.request(job.problems[0], **job.options).sampling
    identity = model.identity
    return Header(
        task=job.task.name,
        model=identity.model,
        backbone=identity.backbone,
        head=identity.head,
        engine=identity.engine,
        dtype=identity.dtype,
        step_rule=model.engine.grammar.segmenter.rule,
        prompt=identity.prompt.model_dump(mode="json"),
        sampling=sampling.model_dump(mode="json"),
    )


def prompt_of(model: Reflector, job: Job, problem: Problem) -> tuple[int, ...]:
    """The problem's prompt; one that is too long is found before anything is sampled."""
    try:
        return model.request(problem, **job.options).prompt
    except CapacityError as error:
        raise CapacityError(f"Task {job.task.name}, problem '{problem.id}': {error}") from None
