"""What joint training does to a model: before and after on the same problems, with bounds, and the curves between.

    python bench/joint.py BEFORE AFTER [--problems 500] [--k 8] [--seed 0] [--problem-seed 2027] [--json]
        [--log runs/after-checkpoints/checkpoint-100/trainer_state.json --plot docs/img/joint.svg]

Both models think about the same problems of the test split of the word problems. Differences are after less before, with
95 % intervals over problems, which are drawn in pairs. `--log` is what the trainer wrote; of it the least share of right and
of wrong traces' steps is told whose verdict agrees with the outcome, which is near 0 where the dynamic weight collapses.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from selection import cell, described, sample

import reflectgen
from reflectgen import metrics, tasks
from reflectgen.commands.comparison import WAYS, Samples
from reflectgen.metrics import Bools, Floats
from reflectgen.tasks import wordproblems

CURVES: dict[str, tuple[str, ...]] = {
    "right answers": ("reward",),
    "AUC of trace scores": ("auc", "auc_within"),
    "verdicts that agree with the outcome": ("kept_right", "kept_wrong"),
}
"""Title of a plot -> what the trainer calls its curves."""
SMOOTH = 10
"""Updates of a running mean."""

Pooled = Callable[[Bools, Floats], float]
AUCS: dict[str, Pooled] = {
    "trajectory AUC": metrics.auc,
    "trajectory AUC within problems": lambda correct, values: float(np.nanmean(metrics.auc_within(correct, values))),
}


def thinkings(model: str, count: int, k: int, seed: int, problem_seed: int) -> Samples:
    """What the model thinks of the problems."""
    problems = list(islice(wordproblems.problems("test", problem_seed), count))
    with reflectgen.load(model) as reflector:
        return Samples.of(tasks.named("wordproblems"), sample(reflector, problems, k, seed))


def compared(before: Samples, after: Samples, k: int) -> dict[str, dict[str, metrics.Interval]]:
    """Figure -> before, after and the difference."""
    found = {}
    for name, way in WAYS.items():
        old, new = way(before, k), way(after, k)
        found[name] = _three(metrics.mean_interval(old), metrics.mean_interval(new), metrics.paired_difference(new, old))
    for name, statistic in AUCS.items():
        apart = [metrics.interval(statistic, one.correct, one.scores) for one in (before, after)]
        both = (after.correct, after.scores, before.correct, before.scores)
        found[name] = _three(*apart, metrics.interval(_less(statistic), *both))
    return found


def _three(before: metrics.Interval, after: metrics.Interval, difference: metrics.Interval) -> dict[str, metrics.Interval]:
    return {"before": before, "after": after, "difference": difference}


def _less(statistic: Pooled) -> Callable[[Bools, Floats, Bools, Floats], float]:
    return lambda correct, values, old, old_values: statistic(correct, values) - statistic(old, old_values)


def read_log(file: Path) -> dict[str, Floats]:
    """Name of a figure -> its values at each logged update (U,)."""
    rows = [row for row in json.loads(file.read_text(encoding="utf-8"))["log_history"] if "reward" in row]
    names = [name for group in CURVES.values() for name in group]
    return {name: np.array([row.get(name, np.nan) for row in rows], dtype=np.float64) for name in ("step", *names)}


def least_kept(log: Mapping[str, Floats]) -> dict[str, float]:
    """Smallest running mean of the share of steps that the dynamic weight would keep, of each class."""
    return {name: round(float(np.nanmin(smooth(log[name]))), 3) for name in ("kept_right", "kept_wrong")}


def smooth(values: Floats) -> Floats:
    """Mean over the last `SMOOTH` values, fewer at the beginning."""
    means: Floats = np.array([np.nanmean(values[max(0, end - SMOOTH) : end]) for end in range(1, len(values) + 1)])
    return means


def plot(log: Mapping[str, Floats], file: Path) -> None:
    """The curves, values of single updates as dots."""
    import matplotlib.pyplot as plt

    plt.rcParams |= {"svg.hashsalt": "reflectgen", "svg.fonttype": "none"}  # equal figures give equal files
    figure, axes = plt.subplots(1, len(CURVES), figsize=(10, 3.2), layout="constrained", sharey=True)
    for axis, (title, names) in zip(axes, CURVES.items(), strict=True):
        for name in names:
            line = axis.plot(log["step"], smooth(log[name]), label=name)
            axis.plot(log["step"], log[name], ".", markersize=2, alpha=0.4, color=line[0].get_color())
        axis.set(title=title, xlabel="update", ylim=(0, 1))
        axis.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})


def show(found: Mapping[str, Mapping[str, metrics.Interval]]) -> None:
    """The comparison as a table."""
    table = Table("", "before", "after", "after less before")
    for name, row in found.items():
        table.add_row(name, *(cell(described(one)) for one in row.values()))
    Console().print(table)


def main() -> None:
    """Parse, sample, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", help="a folder or the bundled model, tiny")
    parser.add_argument("after", help="a folder")
    parser.add_argument("--problems", type=int, default=500, help="problems (default: %(default)s)")
    parser.add_argument("--k", type=int, default=8, help="thinkings of each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="sampling seed (default: %(default)s)")
    parser.add_argument("--problem-seed", type=int, default=2027, help="makes the problems (default: %(default)s)")
    parser.add_argument("--log", type=Path, help="the trainer's trainer_state.json")
    parser.add_argument("--plot", type=Path, help="file for a plot of the log, .svg or .png")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.plot and not options.log:
        parser.error("--plot draws what --log holds: name a trainer_state.json")
    models = (options.before, options.after)
    samples = [thinkings(one, options.problems, options.k, options.seed, options.problem_seed) for one in models]
    found = compared(*samples, options.k)
    kept: dict[str, Any] = {}
    if options.log:
        log = read_log(options.log)
        kept = {"least_kept": least_kept(log)}
        if options.plot:
            plot(log, options.plot)
    if options.json:
        plain = {name: {part: described(one) for part, one in row.items()} for name, row in found.items()}
        print(json.dumps({**plain, **kept}, indent=2))
    else:
        show(found)
        Console().print(kept)


if __name__ == "__main__":
    main()
