"""What the step scores are worth: ways to choose among the same thinkings of the bundled model, with intervals.

    python bench/selection.py [--model DIR] [--problems 300] [--k 32] [--seeds 0,1,2] [--problem-seed 2026] [--json]

Problems are of the test split of the word problems (disjoint from training in templates, numbers and starting counts),
of a seed that nothing was tuned on. Each problem's 32 thinkings are sampled once for every sampling seed; accuracies are
expected over all subsets of k of them, averaged over seeds, and intervals are 95 %, over problems.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import reflectgen
from reflectgen import metrics, tasks
from reflectgen.commands.comparison import WAYS, Samples
from reflectgen.metrics import Floats
from reflectgen.tasks import wordproblems
from reflectgen.types import Problem, Result

PROBLEM_SEED = 2026
"""Seed of the problems that figures are published of, fixed before the first model was trained."""
KS = (2, 8, 32)
RIVALS = ("one thinking", "majority vote", "best log-prob")
OURS = "best SPRM score"


def sample(model: reflectgen.Reflector, problems: Sequence[Problem], k: int, seed: int) -> list[Result]:
    """One result with k thinkings for each problem, in the problems' order."""
    solving = model.solve_many(problems, k=k, seed=seed, answer_tokens=24, max_tokens=240)
    found = list(track(solving, f"seed {seed}", total=len(problems), console=Console(stderr=True), transient=True))
    return sorted(found, key=lambda result: [problem.id for problem in problems].index(result.problem.id))


def accuracies(samples: Sequence[Samples], k: int) -> dict[str, Floats]:
    """Way to choose -> accuracy of each problem, averaged over sampling seeds."""
    return {name: np.mean([way(one, k) for one in samples], axis=0) for name, way in WAYS.items()}


def described(found: metrics.Interval) -> dict[str, float]:
    """An interval as plain figures."""
    return {"estimate": round(found.estimate, 4), "low": round(found.low, 4), "high": round(found.high, 4)}


def step_figures(results: Sequence[Result]) -> dict[str, float]:
    """What the oracle says of the steps, and how well their scores tell.

    A step counts as right for `step_auc` where it and all before it are: nothing mends a trace behind its first error.
    `step_auc_alone` judges each step by itself.
    """
    verdicts, so_far, scores, complete = [], [], [], []
    for result in results:
        for one in result.trajectories:
            judged = wordproblems.judge(result.problem, one.thinking)
            complete.append(len(judged) == len(result.problem.meta["events"]))
            if len(judged) == len(one.steps):
                verdicts += judged
                so_far += np.logical_and.accumulate([verdict.right for verdict in judged]).tolist()
                scores += [step.score or 0.0 for step in one.steps]
    right = np.array([verdict.right for verdict in verdicts])
    return {
        "arithmetic_right": float(np.mean([verdict.arithmetic for verdict in verdicts])),
        "reading_right": float(np.mean([verdict.reading for verdict in verdicts])),
        "number_of_steps_right": float(np.mean(complete)),
        "step_auc": metrics.auc(np.array(so_far), np.array(scores)),
        "step_auc_alone": metrics.auc(right, np.array(scores)),
    }


def measure(model: str, count: int, k: int, seeds: Sequence[int], problem_seed: int = PROBLEM_SEED) -> dict[str, Any]:
    """Sample and compare."""
    task = tasks.named("wordproblems")
    problems = list(islice(wordproblems.problems("test", problem_seed), count))
    began = time.perf_counter()
    with reflectgen.load(model) as reflector:
        results = [sample(reflector, problems, k, seed) for seed in seeds]
    seconds = time.perf_counter() - began
    samples = [Samples.of(task, found) for found in results]
    correct = np.concatenate([one.correct for one in samples], axis=1)
    values = {
        "SPRM": np.concatenate([one.scores for one in samples], axis=1),
        "log-prob": np.concatenate([one.logprobs for one in samples], axis=1),
    }
    table = {at: accuracies(samples, at) for at in KS if at <= k}
    return {
        "accuracy": {
            at: {name: described(metrics.mean_interval(found)) for name, found in ways.items()} for at, ways in table.items()
        },
        "sprm_minus": {
            at: {rival: described(metrics.paired_difference(ways[OURS], ways[rival])) for rival in RIVALS}
            for at, ways in table.items()
        },
        "oracle": {k: float(np.mean([metrics.pass_at_k(one.correct, one.correct.shape[1]).mean() for one in samples]))},
        "auc_pooled": {name: metrics.auc(correct, found) for name, found in values.items()},
        "auc_within": {name: float(np.nanmean(metrics.auc_within(correct, found))) for name, found in values.items()},
        "steps": step_figures([result for found in results for result in found]),
        "problems": count,
        "thinkings": k,
        "sampling_seeds": list(seeds),
        "problem_seed": problem_seed,
        "tokens": sum(result.cost.tokens_generated for found in results for result in found),
        "seconds": round(seconds, 1),
    }


def show(figures: dict[str, Any]) -> None:
    """The comparison as a table."""
    table = Table(title=f"{figures['problems']} problems x {figures['thinkings']} thinkings, seeds {figures['sampling_seeds']}")
    table.add_column("chosen by")
    for k in figures["accuracy"]:
        table.add_column(f"k = {k}", justify="right")
    for name in WAYS:
        table.add_row(name, *(cell(ways[name]) for ways in figures["accuracy"].values()))
    for rival in RIVALS:
        table.add_row(f"SPRM minus {rival}", *(cell(ways[rival]) for ways in figures["sprm_minus"].values()))
    Console().print(table)
    Console().print({name: figures[name] for name in ("auc_pooled", "auc_within", "steps", "oracle", "tokens", "seconds")})


def cell(found: dict[str, float]) -> str:
    """An interval in a table."""
    return f"{found['estimate']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="a folder or the bundled model (default: %(default)s)")
    parser.add_argument("--problems", type=int, default=300, help="problems (default: %(default)s)")
    parser.add_argument("--k", type=int, default=32, help="thinkings of each (default: %(default)s)")
    parser.add_argument("--seeds", default="0,1,2", help="sampling seeds (default: %(default)s)")
    parser.add_argument("--problem-seed", type=int, default=PROBLEM_SEED, help="makes the problems (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    figures = measure(options.model, options.problems, options.k, seeds, options.problem_seed)
    print(json.dumps(figures, indent=2)) if options.json else show(figures)


if __name__ == "__main__":
    main()
