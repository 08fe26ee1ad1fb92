"""How cost and accuracy grow with rows and with k.

    reflectgen rollout --task wordproblems --limit 64 --data-seed 2029 --k 1024 --chunk 1 --compact --output STORE
    python bench/scale.py [--model DIR] [--rows 8,64,256] [--k 8,32,128,1024] [--problems 8] [--rollouts STORE]
                          [--plot FILE] [--json]

- rows: tokens per second of the local engine with so many rows in a decoding pass, every row always taken.
- k: best-of-k, one problem at a time, with a cache for 64 rows: seconds and tokens for a problem, and how far the process
  grew beyond the loaded model. Each k has a process of its own, so that none inherits the other's memory.
- accuracy: of every selector at every power of two up to the k of the store, the mean over subsets of the stored samples,
  with 95 % intervals by problem. Left out without --rollouts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.progress import track
from rich.table import Table
from words import cache_bytes, unseen

from reflectgen import load
from reflectgen.engine.local.engine import LocalEngine
from reflectgen.evaluate.offline import Offline
from reflectgen.evaluate.traces import Traces
from reflectgen.evaluate.ways import ALIASES
from reflectgen.load import locate
from reflectgen.rollouts import Store
from reflectgen.select import SELECTORS

BUDGET_ROWS = 64
"""Rows that the cache holds where k grows."""
TRACES_A_ROW = 4
"""Traces that each row writes, one after the other, where rows are counted."""


# -- rows --------------------------------------------------------------------------------------------------------------


def by_rows(model: str, rows: int) -> dict[str, Any]:
    """Tokens per second with `rows` rows."""
    k = 8
    problems = unseen(rows * TRACES_A_ROW // k)
    with load(locate(model)) as reflector:
        engine = cast(LocalEngine, reflector.engine)
        engine.limit_rows(rows)
        began = time.perf_counter()
        tokens = sum(result.cost.tokens_generated for result in reflector.solve_many(problems, concurrency=len(problems), k=k))
        seconds = time.perf_counter() - began
        return {"rows": rows, "tokens_per_second": round(tokens / seconds, 1), "occupancy": round(engine.occupancy, 3)}


# -- k -----------------------------------------------------------------------------------------------------------------


def by_k(model: str, k: int, count: int) -> dict[str, Any]:
    """Seconds, tokens and memory of best-of-k."""
    problems = unseen(count)
    bytes_ = cache_bytes(model, problems, BUDGET_ROWS)
    with load(locate(model), kv_budget=bytes_) as reflector:
        reflector.solve(problems[0], k=2)
        before = _peak()
        began = time.perf_counter()
        results = [reflector.solve(problem, k=k) for problem in problems]
        seconds = time.perf_counter() - began
    tokens = sum(result.cost.tokens_generated for result in results)
    return {
        "k": k,
        "seconds": round(seconds / count, 3),
        "tokens": round(tokens / count, 1),
        "tokens_per_second": round(tokens / seconds, 1),
        "prefilled": round(sum(result.cost.tokens_prefilled for result in results) / count, 1),
        "cache_mb": round(bytes_ / 2**20, 1),
        "growth_mb": round(_peak() - before, 1),
        "failed": sum(trajectory.finish == "failed" for result in results for trajectory in result.trajectories),
    }


def _peak() -> float:
    """The most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What `work` returns in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


# -- accuracy ----------------------------------------------------------------------------------------------------------


def by_selector(store: Store) -> list[dict[str, Any]]:
    """Accuracy of every selector at every power of two."""
    offline = Offline(Traces.of(store), selects=[name for name in SELECTORS if name not in ALIASES])
    return [
        {
            "select": row.way.select,
            "k": row.k,
            "accuracy": round(row.accuracy.estimate, 4),
            "accuracy_ci": [round(row.accuracy.low, 4), round(row.accuracy.high, 4)],
        }
        for row in offline.rows()
    ]


def plot(accuracy: Sequence[dict[str, Any]], file: Path) -> None:
    """Accuracy against k, a line for each selector: votes drawn through, the others dashed."""
    import matplotlib.pyplot as plt

    plt.rcParams |= {"svg.hashsalt": "reflectgen", "svg.fonttype": "none"}  # equal figures give equal files
    figure, axis = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for name in dict.fromkeys(row["select"] for row in accuracy):
        rows = [row for row in accuracy if row["select"] == name]
        low, high = zip(*(row["accuracy_ci"] for row in rows), strict=True)
        ks, reached, dash = (
            [row["k"] for row in rows],
            [row["accuracy"] for row in rows],
            "-" if SELECTORS[name].votes else "--",
        )
        line = axis.plot(ks, reached, dash, marker="o", markersize=3, label=name)
        axis.fill_between(ks, low, high, color=line[0].get_color(), alpha=0.08, linewidth=0)
    axis.set_xscale("log", base=2)
    axis.set_xlabel("thinkings (k)")
    axis.set_ylabel("right answers")
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(file)


# -- all of it ---------------------------------------------------------------------------------------------------------


def measure(model: str, rows: Sequence[int], ks: Sequence[int], problems: int, rollouts: Path | None) -> dict[str, Any]:
    """Whatever was asked for."""
    return {
        "rows": [apart(by_rows, model, count) for count in track(rows, "rows", console=Console(stderr=True))],
        "k": [apart(by_k, model, k, problems) for k in track(ks, "k", console=Console(stderr=True))],
        "accuracy": by_selector(Store.open(rollouts)) if rollouts else [],
    }


def show(figures: dict[str, Any]) -> None:
    """The figures as tables."""
    for title, rows in figures.items():
        if not rows:
            continue
        drawn = Table(*rows[0], title=title)
        for row in rows:
            drawn.add_row(*map(str, row.values()))
        Console().print(drawn)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="a folder or the bundled model (default: %(default)s)")
    parser.add_argument("--rows", default="8,64,256", help="rows of a decoding pass (default: %(default)s)")
    parser.add_argument("--k", default="8,32,128,1024", help="thinkings of a problem (default: %(default)s)")
    parser.add_argument("--problems", type=int, default=8, help="problems at each k (default: %(default)s)")
    parser.add_argument("--rollouts", type=Path, help="store of many samples of each problem, for accuracy by k")
    parser.add_argument("--plot", type=Path, help="file for accuracy by k, .svg or .png")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    rows, ks = ([int(value) for value in text.split(",") if value] for text in (options.rows, options.k))
    figures = measure(options.model, rows, ks, options.problems, options.rollouts)
    if options.plot is not None and figures["accuracy"]:
        plot(figures["accuracy"], options.plot)
    print(json.dumps(figures, indent=2)) if options.json else show(figures)


if __name__ == "__main__":
    main()
