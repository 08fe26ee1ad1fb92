"""Sample once, decide many times: the efforts and the ways to choose of the demo, side by side over the same thinkings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from reflectgen import metrics, tasks
from reflectgen.answers import canonical
from reflectgen.commands import show
from reflectgen.commands.live import open_model
from reflectgen.config import EFFORTS
from reflectgen.metrics import Bools, Floats, Ints
from reflectgen.tasks.base import Task
from reflectgen.types import Result


@dataclass(frozen=True, slots=True)
class Samples:
    """All thinkings as arrays (P, N): P problems, N thinkings of each."""

    correct: Bools
    answers: Ints
    scores: Floats
    logprobs: Floats

    @classmethod
    def of(cls, task: Task, results: Sequence[Result]) -> Self:
        """The thinkings of `results`, graded by `task`."""
        rows = [result.trajectories for result in results]
        keys = [[None if one.answer is None else canonical(one.answer) for one in row] for row in rows]
        graded = [[task.grade(one.answer, result.problem) for one in result.trajectories] for result in results]
        return cls(
            correct=np.array(graded, dtype=np.bool_),
            answers=metrics.codes(keys),
            scores=np.array([[one.score or 0.0 for one in row] for row in rows]),
            logprobs=np.array([[one.logprob for one in row] for row in rows]),
        )


WAYS: dict[str, Callable[[Samples, int], Floats]] = {
    "one thinking": lambda samples, k: metrics.pass_at_1(samples.correct),
    "majority vote": lambda samples, k: metrics.majority_at_k(samples.correct, samples.answers, k),
    "best log-prob": lambda samples, k: metrics.best_of_k(samples.correct, samples.logprobs, k),
    "best SPRM score": lambda samples, k: metrics.best_of_k(samples.correct, samples.scores, k),
    "vote weighted by SPRM": lambda samples, k: metrics.weighted_at_k(samples.correct, samples.answers, samples.scores, k),
}
"""Way to choose among k thinkings -> accuracy of each problem, expected over all subsets of k: (P,)."""

SAMPLED = {name: effort.k for name, effort in EFFORTS.items() if effort.strategy == "best_of_n"}
"""Name of an effort that samples a fixed number of thinkings -> that number."""


def run(problems: int, seed: int, device: str) -> None:
    """Solve that many problems of the generator's test split, and print the comparison."""
    console, errors = show.console(), show.console(stderr=True)
    task = tasks.named("wordproblems")
    questions = task.load(None, "test", problems, seed)
    began = time.perf_counter()
    most = max(SAMPLED.values())
    with open_model(model="tiny", device=device) as model:
        solving = model.solve_many(questions, k=most, seed=seed)
        hidden = not errors.is_terminal
        results = list(track(solving, "solving", total=problems, console=errors, transient=True, disable=hidden))
    seconds = time.perf_counter() - began
    _print_one(console, next(result for result in results if result.problem == questions[0]))
    console.print(f"\nAll {problems} problems: right answers in % [95 % interval]\n", style="bold", markup=False)
    console.print(comparison(Samples.of(task, results)))
    tokens = sum(result.cost.tokens_generated for result in results)
    console.print(f"\n{tokens:,} tokens in {seconds:.0f} s, {tokens / seconds:,.0f} tokens/s, loading included.")


def comparison(samples: Samples) -> Table:
    """One line per way to choose, one column per effort."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2))
    table.add_column("chosen by")
    for name, k in SAMPLED.items():
        table.add_column(f"{name}, k={k}", justify="right")
    for title, way in WAYS.items():
        table.add_row(title, *(_cell(way(samples, k)) for k in SAMPLED.values()))
    return table


def _cell(accuracies: Floats) -> Text:
    """Mean and interval over problems, in percent."""
    found = metrics.mean_interval(accuracies)
    return Text(f"{100 * found.estimate:.0f} [{100 * found.low:.0f}, {100 * found.high:.0f}]")


def _print_one(console: Console, result: Result) -> None:
    """One problem in full: its best branches and the chosen thinking."""
    console.print("One problem in full\n", style="bold")
    console.print(Text(result.problem.text))
    console.print(Text(f"Right answer: {result.problem.answers[0]}\n"))
    console.print(show.branches(result, most=8), "")
    if result.chosen is not None:
        console.print(show.thinking(result.chosen), "")
    console.print(show.verdict(result))
