"""The frontier: task x strategy x selector x k or budget x seed over the same problems, one file of rows for each cell.

What strategies differ in is which thinkings they let go on. So the thinkings are sampled once for every seed, best-of-n at the
largest k, and a strategy that draws nothing but whole thinkings is played from that store; the others run on the model, and all
of them do with `live`, which measures seconds. Selectors of best-of-n choose at its end, and so share one run where there is
no budget.

Problems are solved in chunks of one size, as many as fill a batch, each apart from all others and in order, so that a run that
was killed and gone on with ends in the rows of one that was not.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from reflectgen.errors import InputError, ModelError
from reflectgen.evaluate.cells import Cell, Folder
from reflectgen.evaluate.grid import Grid, runs
from reflectgen.evaluate.replay import check_equal, check_model, replayed
from reflectgen.evaluate.runner import Job, Sampler, header, prompt_of
from reflectgen.evaluate.runner import Observe as ObserveRollouts
from reflectgen.reflector import Reflector, unit
from reflectgen.rollouts import Store, prompt_hash
from reflectgen.rollouts.shard import read_table
from reflectgen.select import select as choose
from reflectgen.types import Choice, Problem, Result

Rows = Sequence[Mapping[str, Any]]
Observe = Callable[[Cell, Rows], None]
"""Told of a chunk's rows when they are written, and of those that were there before."""


class Evaluation:
    """A grid that was checked against its model and its folder, ready to go on where it stopped."""

    def __init__(
        self,
        model: Reflector,
        grid: Grid,
        folder: Path,
        store: Store | None = None,
        machine: Mapping[str, Any] | None = None,
    ) -> None:
        """Nothing is sampled yet, and nothing made but the folder.

        `store` holds thinkings for what is replayed; else they are sampled. `machine` is what will measure seconds
        (`reflectgen.model.machine`); one that goes on with a run may be another.

        Raises `CapacityError` for a problem that does not fit the context, `InputError` where `folder` holds something else
        or `store` was filled otherwise or too little, and what `task.ready` raises.
        """
        if any(map(grid.task.grades, grid.problems)):
            grid.task.ready()
        self.model = model
        self.grid = grid
        job = Job(task=grid.task, problems=grid.problems, sampling=grid.sampling)
        self._header = header(model, job)
        cells = grid.cells(model)
        self.folder = Folder.create(folder, self._run([prompt_of(model, job, problem) for problem in grid.problems]), cells)
        self.missing = [cell for cell in cells if not self.folder.has(cell)]
        """Cells that are still to be run or gone on with."""
        if self.missing:
            self.folder.add_machine(machine or {})
        self._given = store
        self.samplers: dict[int, Sampler] = {}
        """Seed -> what samples the thinkings that are replayed; none where a store was given."""
        most = {seed: max(self._replayed_ks(seed)) for seed in grid.seeds if self._replayed_ks(seed)}
        if store is not None:
            self._check_given(store, most)
        else:
            self.samplers = {seed: self._sampler(seed, k) for seed, k in most.items()}
        self._verdicts: dict[tuple[str, str | None], bool | None] = {}

    def sample(self, observe: ObserveRollouts = lambda rollouts: None) -> None:
        """Sample the thinkings that are missing in the stores."""
        for sampler in self.samplers.values():
            sampler.run(observe)

    def run(self, observe: Observe = lambda cell, rows: None) -> None:
        """Run the missing cells; `sample` must have come before.

        Where all thinkings of a chunk failed, `ModelError` is raised and nothing of the chunk written. What is left when an
        error or an interrupt comes is for the next run.
        """
        self.folder.write_index()
        if self.grid.live and self.missing:
            list(self.model.solve_together(self.grid.problems[:1], k=1))  # what is slow only once is not timed
        with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="reflectgen-grade") as pool:
            for seed in self.grid.seeds:
                mine = runs([cell for cell in self.missing if cell.seed == seed])
                if plays := [cells for cells in mine if cells[0].replayed]:
                    store = self._store(seed)
                    self._verdicts |= _graded(store)
                    with replayed(self.model, self.grid.problems, store, seed=seed) as player:
                        for cells in plays:
                            self._solve(cells, player, pool, observe)
                for cells in mine:
                    if not cells[0].replayed:
                        self._solve(cells, self.model, pool, observe)

    # -- the stores ------------------------------------------------------------------------------------------------

    def _replayed_ks(self, seed: int) -> list[int]:
        return [cell.k for cell in self.missing if cell.replayed and cell.seed == seed]

    def _store(self, seed: int) -> Store:
        return self._given or self.samplers[seed].store

    def _sampler(self, seed: int, k: int) -> Sampler:
        """What samples at least `k` thinkings of each problem; as many as are there already, where those are more."""
        folder = self.folder.path / f"rollouts-seed{seed}"
        held = least_of(Store.open(folder))[seed] if any(folder.glob("part-*.parquet")) else k
        if 0 < held < k:
            raise InputError(f"The store {folder} has {held} thinkings of a problem, too few for k = {k}: name another folder.")
        grid = self.grid
        return Sampler(
            self.model,
            Job(task=grid.task, problems=grid.problems, k=max(k, held), seed=seed, sampling=grid.sampling),
            folder,
        )

    def _check_given(self, store: Store, most: Mapping[int, int]) -> None:
        """Raise `InputError` where `store` was filled otherwise, or has too few thinkings of a seed."""
        check_model(self.model, store)
        asked = {name: getattr(self._header, name) for name in ("task", "sampling")}
        check_equal(store, asdict(store.header), asked)
        least = least_of(store)
        for seed, k in most.items():
            if least[seed] < k:
                told = f"{least[seed]} thinkings of a problem with seed {seed}" if least[seed] else f"none of seed {seed}"
                raise InputError(
                    f"The store {store.folder} has {told}, too few for k = {k}: give a smaller --k or other --seeds."
                )

    def _run(self, encoded: Sequence[tuple[int, ...]]) -> dict[str, Any]:
        """What all cells have in common, as JSON."""
        named = [(problem.id, prompt_hash(prompt)) for problem, prompt in zip(self.grid.problems, encoded, strict=True)]
        digest = blake2b(json.dumps(named).encode(), digest_size=8).hexdigest()
        return {
            **asdict(self._header),
            "parameters": self.model.identity.parameters,
            "problems": {"count": len(named), "digest": digest},
            "live": self.grid.live,
        }

    # -- the cells -------------------------------------------------------------------------------------------------

    def _solve(self, cells: Sequence[Cell], model: Reflector, pool: ThreadPoolExecutor, observe: Observe) -> None:
        """Run cells that differ in the selector alone, from the first chunk on that one of them lacks."""
        problems, size = self.grid.problems, unit(cells[0].k)
        with ExitStack() as stack:
            logs = [stack.enter_context(self.folder.log(cell, size)) for cell in cells]
            for cell, log in zip(cells, logs, strict=True):
                observe(cell, [row.values for row in log.kept])
            for start in range(0, len(problems), size):
                lacking = [index for index, log in enumerate(logs) if len(log.kept) <= start]
                if not lacking:
                    continue
                solved, wall = self._solve_chunk(cells[0], model, problems[start : start + size])
                for index in lacking:
                    rows = list(pool.map(partial(self._row, cells[index], wall), solved))
                    logs[index].write(rows)
                    observe(cells[index], rows)
            for log in logs:
                log.finish()

    def _solve_chunk(self, cell: Cell, model: Reflector, problems: Sequence[Problem]) -> tuple[list[Result], float]:
        """Results in the order of the problems, and the seconds of wall clock for each."""
        options = self.grid.options(cell.contender, cell.k, cell.budget, cell.select, cell.seed)
        began = time.perf_counter()
        found = {result.problem.id: result for result in model.solve_together(problems, **options)}
        wall = (time.perf_counter() - began) / len(problems)
        solved = [found[problem.id] for problem in problems]
        errors = [trajectory.error for result in solved for trajectory in result.trajectories]
        if all(errors):
            raise ModelError(
                f"All thinkings of {cell} failed ({errors[0]}), so they were not written: where memory ran out, give a smaller "
                "--kv-budget, then the same command again."
            )
        return solved, wall

    def _row(self, cell: Cell, wall: float, result: Result) -> dict[str, Any]:
        choice = self._choice(cell, result)
        cost = result.cost
        measured = {
            "tokens_prefilled": cost.tokens_prefilled,
            "tokens_scored": cost.tokens_scored,
            "forward_passes": cost.forward_passes,
            "seconds": round(cost.seconds, 6),
            "wall_seconds": round(wall, 6),
        }
        failed = dict.fromkeys(f"A branch failed: {one.error}" for one in result.trajectories if one.error)
        return {
            "id": result.problem.id,
            "answer": choice.answer,
            "correct": self._correct(result.problem, choice.answer),
            "chosen": None if choice.index is None else result.trajectories[choice.index].id,
            "tokens_generated": cost.tokens_generated,
            **(dict.fromkeys(measured) if cell.replayed else measured),
            "branches": len(result.trajectories),
            "notes": [*result.notes, *failed],
        }

    def _choice(self, cell: Cell, result: Result) -> Choice:
        if cell.select == result.select:
            return result.choice
        return choose(cell.select, result.trajectories, blend=self.model.blend)

    def _correct(self, problem: Problem, answer: str | None) -> bool | None:
        """Whether the answer is right, which is found out once; None where no gold answer is known."""
        if not self.grid.task.grades(problem):
            return None
        if (problem.id, answer) not in self._verdicts:
            self._verdicts[problem.id, answer] = self.grid.task.grade(answer, problem)
        return self._verdicts[problem.id, answer]


def _graded(store: Store) -> dict[tuple[str, str | None], bool | None]:
    """Problem id and answer -> whether it is right, as the store has it."""
    columns = ("problem_id", "answer", "correct")
    found: dict[tuple[str, str | None], bool | None] = {}
    for path in store.shards:
        table = read_table(path, columns)
        for problem, answer, correct in zip(*(table.column(name).to_pylist() for name in columns), strict=True):
            if correct is not None:
                found[problem, answer] = correct
    return found


def least_of(store: Store) -> Counter[int]:
    """Seed -> fewest thinkings of a problem that has any."""
    counts: Counter[tuple[int, str]] = Counter()
    for path in store.shards:
        table = read_table(path, ("seed", "problem_id"))
        counts.update(zip(table.column("seed").to_pylist(), table.column("problem_id").to_pylist(), strict=True))
    least: Counter[int] = Counter()
    for (seed, _), count in counts.items():
        least[seed] = min(count, least[seed] or count)
    return least
