"""When a scorer pays: ways to choose, against the share of misconceptions in what the language model learned from.

    for share in 0.0 0.2 0.4 0.6; do
      reflectgen train recipes/tiny/supervised.yaml corpus.misconceptions=$share optimizer.updates=900 -o runs/dial/$share
      python bench/selection.py --model runs/dial/$share --seeds 0 --json > runs/dial/$share.json
    done
    python bench/dial.py runs/dial/*.json [--k 8] [--plot FILE]

Each file holds the figures of one model and is called after its share. Prints a Markdown table, with 95 % intervals by
problem. Shares are those of the traps; plain events are misread no more often than in the bundled model's corpus.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reflectgen.commands.comparison import WAYS

RIVALS = ("majority vote", "best log-prob")

Models = Mapping[float, dict[str, Any]]
"""Share of misconceptions -> the figures of `bench/selection.py`."""


def read(files: list[Path]) -> Models:
    """All models, by ascending share."""
    found = {float(file.stem): json.loads(file.read_text(encoding="utf-8")) for file in files}
    return dict(sorted(found.items()))


def table(models: Models, k: str) -> str:
    """Accuracies, how far the best SPRM score is ahead, and what the scores tell."""
    lines = [f"| misconceptions | {' | '.join(f'{share:.0%}'.replace('%', ' %') for share in models)} |"]
    lines.append("| --- |" + " --- |" * len(models))
    for way in WAYS:
        lines.append(_line(way, [_cell(one["accuracy"][k][way]) for one in models.values()]))
    for rival in RIVALS:
        lines.append(
            _line(f"best SPRM score minus {rival}", [_cell(one["sprm_minus"][k][rival], "+") for one in models.values()])
        )
    for name, figures in (("AUC within problems: SPRM", "SPRM"), ("log-prob", "log-prob")):
        lines.append(_line(name, [f"{one['auc_within'][figures]:.3f}" for one in models.values()]))
    for name, figure in (("steps computed rightly", "arithmetic_right"), ("events read rightly", "reading_right")):
        lines.append(_line(name, [f"{100 * one['steps'][figure]:.1f}" for one in models.values()]))
    return "\n".join(lines)


def _line(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def _cell(found: Mapping[str, float], sign: str = "") -> str:
    estimate, low, high = (100 * found[name] for name in ("estimate", "low", "high"))
    return f"{estimate:{sign}.1f} [{low:.1f}, {high:.1f}]"


def plot(models: Models, k: str, file: Path) -> None:
    """Accuracy against the share, a line for each way to choose."""
    import matplotlib.pyplot as plt

    plt.rcParams |= {"svg.hashsalt": "reflectgen", "svg.fonttype": "none"}  # equal figures give equal files
    figure, axis = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for way in WAYS:
        found = [one["accuracy"][k][way] for one in models.values()]
        line = axis.plot(list(models), [one["estimate"] for one in found], marker="o", markersize=3, label=way)
        low, high = ([one[end] for one in found] for end in ("low", "high"))
        axis.fill_between(list(models), low, high, color=line[0].get_color(), alpha=0.08, linewidth=0)
    axis.set_xlabel("share of misconceptions in the corpus")
    axis.set_ylabel(f"right answers of {k} thinkings")
    axis.legend(frameon=False)
    figure.savefig(file)


def main() -> None:
    """Parse, read, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="figures of bench/selection.py, each called after its share")
    parser.add_argument("--k", default="8", help="thinkings (default: %(default)s)")
    parser.add_argument("--plot", type=Path, help="file for a plot, .svg or .png")
    options = parser.parse_args()
    models = read(options.files)
    print(table(models, options.k))
    if options.plot is not None:
        plot(models, options.k, options.plot)


if __name__ == "__main__":
    main()
