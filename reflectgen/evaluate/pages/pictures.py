"""Pictures of a report as <svg> elements, for light and dark pages: their ink is the text's. Needs matplotlib."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import StringIO
from typing import Any

from reflectgen.evaluate import plot
from reflectgen.evaluate.pages.document import Picture
from reflectgen.evaluate.pages.untrusted import on_a_line
from reflectgen.evaluate.worth import BARS, PLACES, Worth

MISSING = "The pictures are left out, since they need matplotlib: pip install 'reflectgen[plots]'."
INK = "#010203"
"""Stands for the colour of the text around the picture."""
STYLE = {
    **plot.STYLE,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.alpha": 0.3,
    "grid.color": "#808080",
    "axes.spines.right": False,
    "axes.spines.top": False,
}
RIGHT, WRONG = plot.COLOURS[0], plot.COLOURS[1]


def installed() -> bool:
    """Whether pictures can be drawn."""
    return find_spec("matplotlib") is not None


def curves(found: plot.Drawn) -> Picture | None:
    """Right answers against tokens, and against seconds where they were measured; None where nothing was graded."""
    if all(entry.accuracy is None for entry in found.entries):
        return None
    with _styled():
        return Picture(
            _svg(plot.figure(found)), "Right answers against cost: of each way the k or budget, with 95 % intervals."
        )


def scores(worth: Worth) -> Picture:
    """Histogram of the scores of right and wrong traces, reliability, and the score along a trace."""
    from matplotlib.figure import Figure

    with _styled():
        figure = Figure(figsize=(12.8, 3.9), layout="constrained")
        bars, curve, along = figure.subplots(1, 3)
        _histogram(bars, worth)
        _reliability(curve, worth)
        _along(along, worth)
        return Picture(_svg(figure), "Scores of right and wrong traces, share of right traces by score, and scores of steps.")


def _histogram(axis: Any, worth: Worth) -> None:
    edges = [index / BARS for index in range(BARS + 1)]
    for name, counts, colour in (("right", worth.right, RIGHT), ("wrong", worth.wrong, WRONG)):
        axis.stairs(counts, edges, fill=True, alpha=0.35, color=colour)
        axis.stairs(counts, edges, color=colour, label=f"{name} ({sum(counts):,})")
    axis.set(xlabel="trajectory score", ylabel="traces", xlim=(0, 1))
    axis.legend(frameon=False)


def _reliability(axis: Any, worth: Worth) -> None:
    right = [one.right for one in worth.bins]
    axis.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    axis.errorbar(
        [one.score for one in worth.bins],
        [one.estimate for one in right],
        yerr=[[one.estimate - one.low for one in right], [one.high - one.estimate for one in right]],
        color=RIGHT,
        marker="o",
        markersize=4,
        capsize=2,
    )
    axis.set(xlabel="mean trajectory score of a bin", ylabel="share of right traces", xlim=(0, 1), ylim=(0, 1))
    axis.grid(True)


def _along(axis: Any, worth: Worth) -> None:
    middles = [place.start + 0.5 / PLACES for place in worth.along]
    for name, colour in (("right", RIGHT), ("wrong", WRONG)):
        found = [getattr(place, name) for place in worth.along]
        axis.plot(middles, [one.estimate for one in found], color=colour, marker="o", markersize=4, label=name)
        axis.fill_between(
            middles, [one.low for one in found], [one.high for one in found], color=colour, alpha=0.2, linewidth=0
        )
    axis.set(xlabel="place in the trace", ylabel="mean step score", xlim=(0, 1), ylim=(0, 1))
    axis.legend(frameon=False)
    axis.grid(True)


@contextmanager
def _styled() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def _svg(figure: Any) -> str:
    """The element alone, without the file's head, and without names that another picture of the page may have too."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_text("\n".join(map(on_a_line, text.get_text().split("\n"))))
    file = StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = file.getvalue()
    element = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    element = re.sub(
        r' id="(?:figure|axes|patch|line2d|text|legend|matplotlib|xtick|ytick|PathCollection|FillBetween)[^"]*"', "", element
    )
    return element.replace(INK, "currentColor").replace("#000000", "currentColor")
