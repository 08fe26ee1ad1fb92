"""Ways as a picture: accuracy against tokens, and against seconds where they were measured. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from reflectgen.errors import InputError, OptionError
from reflectgen.evaluate.report import Entry
from reflectgen.metrics import Interval
from reflectgen.model.atomic import replace_file

FORMATS = ("png", "svg")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's, told apart by everyone; the yellow one is left out, since it is hard to see on white."""
MARKERS = "osD^vPX"
DASHES = ("-", "--", ":", "-.")
"""A strategy has a colour and a marker, a selector a dash; where there is one strategy, the selectors have all three."""
SHORT = 32
"""Longest label, in letters, of which two go side by side below one panel."""
STYLE: Mapping[str, Any] = {
    "font.size": 10,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "reflectgen",
    "text.parse_math": False,
}
"""Of matplotlib; with the salt, equal reports give equal files, and a name with a dollar is no formula."""

Cost = Callable[[Entry], Interval | None]


def files(path: Path) -> list[Path]:
    """What `draw` writes: `path`, or both formats where it names none. Raises `OptionError` for another format."""
    suffix = path.suffix.lower().removeprefix(".")
    if suffix in FORMATS:
        return [path]
    if suffix:
        raise OptionError(f"A plot is a {' or '.join(FORMATS)} file, and '{path.name}' is none: name one, or give no ending.")
    return [path.with_name(f"{path.name}.{kind}") for kind in FORMATS]


def check_installed() -> None:
    """Raise `OptionError` where matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise OptionError("Plots need matplotlib: install it with pip install 'reflectgen[plots]'.") from None


class Drawn(Protocol):
    """What can be drawn: a report of cells, or a store."""

    @property
    def folder(self) -> Path:
        """Where it comes from."""

    @property
    def title(self) -> str:
        """What the picture is of."""

    @property
    def entries(self) -> Sequence[Entry]:
        """Its ways."""


def draw(found: Drawn, path: Path) -> list[Path]:
    """Write the picture of a report to `files(path)` and return them; raises `InputError` where nothing was graded."""
    check_installed()
    import matplotlib

    written = files(path)
    with matplotlib.rc_context(dict(STYLE)):
        made = figure(found)
        for file in written:
            _save(made, file)
    return written


def figure(found: Drawn) -> Any:
    """The picture, in the style that is set; raises `InputError` where nothing was graded."""
    from matplotlib.figure import Figure

    lines = _lines(found.entries)
    if not lines:
        raise InputError(f"No cell in {found.folder} was graded, so there is no accuracy to draw.")
    panels: list[tuple[str, Cost]] = [("tokens generated for a problem", lambda entry: entry.tokens)]
    if any(entry.wall_seconds for line in lines.values() for entry in line):
        panels.append(("seconds for a problem", lambda entry: entry.wall_seconds))
    columns = 2 if max(map(len, lines)) <= SHORT * len(panels) else 1
    made = Figure(figsize=(6.4 * len(panels), 4.4 + 0.2 * len(lines) / columns), layout="constrained")
    axes = made.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (name, cost) in zip(axes, panels, strict=True):
        _panel(axis, name, cost, lines)
    axes[0].set_ylabel("right answers, %")
    made.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
        handlelength=3,
    )
    made.suptitle(f"{found.title}\nnumbers: k or budget; bars: 95 % intervals", fontsize=11)
    return made


def _lines(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Label -> the ways of one strategy and selector, by their cost."""
    lines: dict[str, list[Entry]] = {}
    selects, strategies = ({getattr(entry, name) for entry in entries} for name in ("select", "strategy"))
    for entry in entries:
        if entry.accuracy is not None:
            both = len(selects) > 1 and len(strategies) > 1
            way = f"{entry.strategy}, {entry.select}" if both else entry.strategy if len(selects) == 1 else entry.select
            budget = "" if entry.budget is None else f", k = {entry.k}, by budget"
            lines.setdefault(f"{way}{budget}", []).append(entry)
    return {label: sorted(line, key=lambda entry: entry.tokens.estimate) for label, line in lines.items()}


def _panel(axis: Any, title: str, cost: Cost, lines: dict[str, list[Entry]]) -> None:
    from matplotlib.ticker import FuncFormatter

    strategies = list(dict.fromkeys(line[0].strategy for line in lines.values()))
    selects = list(dict.fromkeys(line[0].select for line in lines.values()))
    for label, line in lines.items():
        known = [(found, entry) for entry in line if (found := cost(entry)) is not None]
        hue, dash = strategies.index(line[0].strategy), selects.index(line[0].select)
        if len(strategies) == 1:
            hue, dash = dash, dash // len(COLOURS)
        colour = COLOURS[hue % len(COLOURS)]
        style = {"color": colour, "marker": MARKERS[hue % len(MARKERS)], "linestyle": DASHES[dash % len(DASHES)]}
        _curve(axis, label, known, style)
        for found, entry in known:
            size = entry.k if entry.budget is None else entry.budget
            place = (found.estimate, _right(entry).estimate)
            axis.annotate(f"{size:,}", place, xytext=(4, 4), textcoords="offset points", fontsize=7.5, color=colour)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    digits = "125" if high > 8 * low else "1234568"  # labels that do not overlap
    for ticks in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
        ticks(FuncFormatter(lambda value, _: f"{value:,g}" if f"{value:e}"[0] in digits else ""))
    axis.tick_params(axis="x", which="both", pad=5)
    axis.set_xlabel(title)
    axis.grid(True, which="major")


def _curve(axis: Any, label: str, known: Sequence[tuple[Interval, Entry]], style: dict[str, str]) -> None:
    """One line with its error bars."""
    costs, rights = [found for found, _ in known], [_right(entry) for _, entry in known]
    axis.errorbar(
        [found.estimate for found in costs],
        [found.estimate for found in rights],
        xerr=_bars(costs),
        yerr=_bars(rights),
        label=label,
        markersize=5,
        linewidth=1.4,
        elinewidth=0.8,
        capsize=2,
        **style,
    )


def _right(entry: Entry) -> Interval:
    """Its accuracy in percent."""
    assert entry.accuracy is not None, "only what was graded is on a line"
    return _percent(entry.accuracy)


def _percent(found: Interval) -> Interval:
    return Interval(estimate=100 * found.estimate, low=100 * found.low, high=100 * found.high)


def _bars(found: Sequence[Interval]) -> list[list[float]]:
    """Lengths of error bars below and above."""
    below = [max(0.0, one.estimate - one.low) for one in found]
    return [below, [max(0.0, one.high - one.estimate) for one in found]]


def _save(figure: Any, file: Path) -> None:
    """Write one format, all or nothing."""
    kind = file.suffix.lower().removeprefix(".")
    try:
        with replace_file(file) as scratch:
            figure.savefig(scratch, format=kind, dpi=200, metadata={"Date": None} if kind == "svg" else None)
    except OSError as error:
        raise InputError(f"The file {file} cannot be written: {error.strerror}.") from None
