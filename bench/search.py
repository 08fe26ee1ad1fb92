"""What every search strategy reaches, and what it costs, on the same problems.

    python bench/search.py [--model DIR] [--problems 300] [--k 2,8,32] [--seeds 0,1,2] [--output FILE] [--frontier FILE]
                           [--json]

Everything runs live, many problems at a time. A row is one strategy and selector at one k: accuracy with its 95 % interval
(problems drawn with replacement, seeds averaged within a problem), and the means over problems and seeds of the tokens
generated and of the seconds (wall clock over problems, so many at a time count as many). Occupancy is the share of rows that
decoding passes used of those that they could have, until the last problem began.

A run is shared by the selectors that it does not depend on, and so are its tokens and seconds. With --output every finished
run is written to a file, and the same command goes on with those that are missing. Settings are the strategies' defaults.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from words import unseen

from reflectgen import Reflector, load, metrics, select
from reflectgen.engine.local.engine import LocalEngine
from reflectgen.load import locate
from reflectgen.search.choice import Frontier, Point
from reflectgen.tasks import TASKS
from reflectgen.types import Problem, Result

IN_FLIGHT = 32
"""Problems in the works at a time."""
ROWS = 64
"""Rows of a decoding pass: as many as these problems fill at k = 2."""
BY_SCORE = ("sprm", "weighted")
"""Selectors under which a search goes by the same values, so that one run serves both."""
SEARCHES = {
    "best_of_n": ("sprm", "logprob", "blend", "majority", "weighted", "weighted:product"),
    "beam": BY_SCORE,
    "dvts": BY_SCORE,
    "mcts": BY_SCORE,
    "pruned": BY_SCORE,
    "adaptive": ("weighted",),
    "deepconf": ("weighted:confidence",),
    "esc": ("majority",),
}
"""Strategy -> the selectors that its runs are read with."""

Run = tuple[str, int, int]
"""Strategy, k and seed."""


def runs(ks: Sequence[int], seeds: Sequence[int]) -> list[Run]:
    """Every run, those of small k first."""
    return [(strategy, k, seed) for k in sorted(ks) for seed in seeds for strategy in SEARCHES]


def run(model: Reflector, problems: Sequence[Problem], one: Run) -> dict[str, Any]:
    """Solve the problems: what was right for each selector, in the problems' order, and what it cost."""
    strategy, k, seed = one
    planner = cast(LocalEngine, model.engine).planner
    rows, places = planner.rows, planner.places
    used = [0, 1]

    def begun() -> Iterator[Problem]:
        yield from problems
        used[:] = planner.rows - rows, planner.places - places

    first = SEARCHES[strategy][0]
    began = time.perf_counter()
    solving = model.solve_many(begun(), concurrency=IN_FLIGHT, strategy=strategy, select=first, k=k, seed=seed)
    results = {result.problem.id: result for result in solving}
    seconds = time.perf_counter() - began
    ordered = [results[problem.id] for problem in problems]
    return {
        "run": one,
        "right": {name: [_right(model, result, name) for result in ordered] for name in SEARCHES[strategy]},
        "tokens": sum(result.cost.tokens_generated for result in ordered),
        "prefilled": sum(result.cost.tokens_prefilled for result in ordered),
        "seconds": seconds,
        "occupancy": used[0] / max(1, used[1]),
    }


def _right(model: Reflector, result: Result, name: str) -> bool:
    """Whether the selector `name` chooses a right answer; given-up trajectories are not chosen from."""
    own = name == result.select
    answer = result.answer if own else select.select(name, result.trajectories, blend=model.blend).answer
    return TASKS["wordproblems"].grade(answer, result.problem)


def measure(model: str, count: int, ks: Sequence[int], seeds: Sequence[int], output: Path | None) -> list[dict[str, Any]]:
    """The records of all runs; those that `output` holds already are not run again."""
    problems = unseen(count)
    found = _stored(output)
    with load(locate(model)) as reflector:
        cast(LocalEngine, reflector.engine).limit_rows(ROWS)
        missing = [one for one in runs(ks, seeds) if one not in found]
        for one in track(missing, "searching", console=Console(stderr=True), disable=not missing):
            found[one] = run(reflector, problems, one)
            if output is not None:
                with output.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(found[one]) + "\n")
    return [found[one] for one in runs(ks, seeds)]


def _stored(output: Path | None) -> dict[Run, dict[str, Any]]:
    lines = output.read_text(encoding="utf-8").splitlines() if output is not None and output.exists() else []
    records = [json.loads(line) for line in lines]
    return {tuple(record["run"]): record for record in records}


def table(records: Sequence[dict[str, Any]], seeds: int) -> list[dict[str, Any]]:
    """A row for each strategy, selector and k, the means over `seeds` runs."""
    grouped: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for record in records:
        for name in record["right"]:
            grouped.setdefault((record["run"][0], name, record["run"][1]), []).append(record)
    return [_row(key, found) for key, found in grouped.items() if len(found) == seeds]


def _row(key: tuple[str, str, int], records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    strategy, name, k = key
    right = np.array([record["right"][name] for record in records], dtype=np.float64).mean(axis=0)  # (P,)
    found = metrics.mean_interval(right)
    solved = len(right) * len(records)
    return {
        "strategy": strategy,
        "select": name,
        "k": k,
        "accuracy": round(found.estimate, 4),
        "accuracy_ci": [round(found.low, 4), round(found.high, 4)],
        "tokens": round(sum(record["tokens"] for record in records) / solved, 1),
        "prefilled": round(sum(record["prefilled"] for record in records) / solved, 1),
        "seconds": round(sum(record["seconds"] for record in records) / solved, 4),
        "occupancy": round(sum(record["occupancy"] for record in records) / len(records), 3),
    }


def show(rows: Sequence[dict[str, Any]]) -> None:
    """The rows as a table."""
    drawn = Table(title="right answers for tokens")
    for name in rows[0]:
        drawn.add_column(name, justify="left" if name in ("strategy", "select") else "right")
    for row in rows:
        drawn.add_row(*(str(value) for value in row.values()))
    Console().print(drawn)


def frontier(model: str, rows: Sequence[dict[str, Any]]) -> Frontier:
    """The rows as the strategy "auto" reads them."""
    with load(locate(model)) as reflector:
        backbone = reflector.identity.backbone
    names = ("strategy", "select", "k", "accuracy", "tokens")
    points = [Point(task="wordproblems", **{name: row[name] for name in names}) for row in rows]
    return Frontier(backbone=backbone, points=tuple(points))


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="a folder or the bundled model (default: %(default)s)")
    parser.add_argument("--problems", type=int, default=300, help="problems (default: %(default)s)")
    parser.add_argument("--k", default="2,8,32", help="thinkings of a problem, at most (default: %(default)s)")
    parser.add_argument("--seeds", default="0,1,2", help="sampling seeds (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="file that keeps every finished run, to go on from")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--frontier", type=Path, help="file that gets the rows as a frontier.json")
    options = parser.parse_args()
    ks, seeds = ([int(value) for value in text.split(",")] for text in (options.k, options.seeds))
    rows = table(measure(options.model, options.problems, ks, seeds, options.output), len(seeds))
    if options.frontier is not None:
        options.frontier.write_text(frontier(options.model, rows).model_dump_json(indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"rows": rows}, indent=2)) if options.json else show(rows)


if __name__ == "__main__":
    main()
