"""What pruning for want of memory saves where the cache holds a quarter of the branches.

    python bench/memory.py [--model DIR] [--problems 300] [--k 32] [--select weighted] [--json]

Best-of-k has to queue: a branch begins where another has ended. `pruned` with the rule `memory` cancels the weaker of those
that were graded whenever somebody waits. One problem at a time, both ways in turn, so that a slow moment of the machine hits
both. The budget is a quarter of what k branches of the longest problem's length take. `seconds` is the median over problems
of the ratio of the two, and the ratio of the sums; the difference of accuracies is paired by problem, with its 95 % interval.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from words import cache_bytes, unseen

from reflectgen import Reflector, load, metrics
from reflectgen.load import locate
from reflectgen.tasks import TASKS
from reflectgen.types import Problem


def solve(
    model: Reflector, problem: Problem, k: int, name: str, rule: str | None, keep: float = 0.5
) -> tuple[bool, float, int]:
    """Whether the answer was right, the seconds and the tokens."""
    began = time.perf_counter()
    way: dict[str, Any] = (
        {"strategy": "pruned", "settings": {"rule": rule, "keep": keep}} if rule else {"strategy": "best_of_n"}
    )
    result = model.solve(problem, k=k, select=name, **way)
    right = TASKS["wordproblems"].grade(result.answer, problem)
    return right, time.perf_counter() - began, result.cost.tokens_generated


def measure(model: str, count: int, k: int, name: str) -> dict[str, Any]:
    """Both ways over the same problems."""
    problems = unseen(count)
    bytes_ = cache_bytes(model, problems, k // 4)
    found = []
    with load(locate(model), kv_budget=bytes_) as reflector:
        for problem in track(problems, "solving", console=Console(stderr=True)):
            found.append([solve(reflector, problem, k, name, rule) for rule in (None, "memory")])
    right = np.array([[way[0] for way in pair] for pair in found], dtype=np.float64)
    seconds = np.array([[way[1] for way in pair] for pair in found])
    difference = metrics.paired_difference(right[:, 1], right[:, 0])
    return {
        "k": k,
        "select": name,
        "problems": count,
        "budget_bytes": bytes_,
        "accuracy": {"best_of_n": float(right[:, 0].mean()), "memory": float(right[:, 1].mean())},
        "difference": [difference.estimate, difference.low, difference.high],
        "seconds": {
            "median_ratio": float(median(seconds[:, 1] / seconds[:, 0])),
            "ratio": float(seconds[:, 1].sum() / seconds[:, 0].sum()),
        },
        "tokens_ratio": sum(pair[1][2] for pair in found) / sum(pair[0][2] for pair in found),
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="a folder or the bundled model (default: %(default)s)")
    parser.add_argument("--problems", type=int, default=300, help="problems (default: %(default)s)")
    parser.add_argument("--k", type=int, default=32, help="thinkings of a problem (default: %(default)s)")
    parser.add_argument("--select", default="weighted", help="selector of both ways (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    figures = measure(options.model, options.problems, options.k, options.select)
    print(json.dumps(figures, indent=2)) if options.json else Console().print(figures)


if __name__ == "__main__":
    main()
