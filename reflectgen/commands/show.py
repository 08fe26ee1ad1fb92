"""What results look like in a terminal: tables that fit 80 columns, steps coloured by their score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from reflectgen.types import Cost, Result, Trajectory

MARK = "→"
"""Stands before the chosen branch."""
MOST = 32
"""Branches that the table of a result holds."""
ANSWER = 24
"""Characters of an answer on one line."""


def console(*, stderr: bool = False) -> Console:
    """A console on standard output or error: coloured and live only where that is a terminal."""
    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def colour(score: float) -> str:
    """A colour from red (0) over yellow (0.5) to green (1)."""
    red, green = min(1.0, 2 - 2 * score), min(1.0, 2 * score)
    return f"rgb({round(60 + 160 * red)},{round(60 + 140 * green)},60)"


def score_text(score: float | None) -> Text:
    """A score in its colour; a dash where there is none."""
    return Text("-") if score is None else Text(f"{score:.3f}", style=colour(score))


def number(value: float | None, digits: int = 3) -> str:
    """A number with fixed digits; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def branches(result: Result, most: int | None = None) -> Table:
    """One line per branch, at most `most`: the chosen one, then the best first by the selector's value, given-up ones last."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("branch")
    table.add_column("answer", overflow="ellipsis", no_wrap=True, max_width=ANSWER)
    for name in ("score", "log-prob", "steps", "tokens"):
        table.add_column(name, justify="right")
    table.add_column("end")
    for index in _ranking(result)[:most]:
        trajectory = result.trajectories[index]
        table.add_row(
            MARK if index == result.choice.index else "",
            trajectory.id,
            answer(trajectory),
            score_text(trajectory.score),
            number(trajectory.logprob),
            str(len(trajectory.steps)),
            str(trajectory.tokens),
            trajectory.finish,
        )
    return table


def _ranking(result: Result) -> list[int]:
    def rank(index: int) -> tuple[bool, bool, float]:
        given_up = result.trajectories[index].finish in ("cancelled", "failed")
        return index != result.choice.index, given_up, -result.choice.values[index]

    return sorted(range(len(result.trajectories)), key=rank)


def answer(trajectory: Trajectory) -> str:
    """The answer on one line, of a long one the beginning; a dash where there is none."""
    text = " ".join((trajectory.answer or "-").split())
    return text if len(text) <= ANSWER else text[: ANSWER - 1] + "…"


def thinking(trajectory: Trajectory) -> RenderableType:
    """The thinking, one line per step behind its score, and the reply below."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    rest = trajectory.thinking
    for step in trajectory.steps:
        text = rest if rest and step.text.startswith(rest) else step.text  # the tag that closed it is left out
        grid.add_row(score_text(step.score), Text(text.strip(), style="" if step.score is None else colour(step.score)))
        rest = rest[len(text) :] if rest.startswith(text) else ""
    if rest.strip():
        grid.add_row("", Text(rest.strip()))
    if trajectory.reply.strip() and trajectory.reply != trajectory.thinking:
        grid.add_row("", "")
        grid.add_row("", Text(trajectory.reply.strip(), style="bold"))
    return grid


def verdict(result: Result) -> Text:
    """The answer and how it came about."""
    line = Text()
    if result.answer is None:
        line.append("No answer", style="bold")
    else:
        line.append("Answer: ").append(result.answer, style="bold")
    how = result.select if result.strategy == "best_of_n" else f"{result.strategy}, {result.select}"
    line.append(f"  ({how}, {_counted(result)}, votes {result.choice.share:.0%}, {cost(result.cost)})")
    return line


def _counted(result: Result) -> str:
    """How many thinkings there were; branches, where some share a beginning."""
    k = len(result.trajectories)
    what = "thinking" if all(one.parent is None for one in result.trajectories) else "branch"
    plural = {"thinking": "thinkings", "branch": "branches"}
    return f"1 {what}" if k == 1 else f"{k} {plural[what]}"


def cost(cost: Cost) -> str:
    """The cost in a few words."""
    speed = f", {cost.tokens_generated / cost.seconds:,.0f} tokens/s" if cost.seconds > 0 else ""
    return f"{cost.tokens_generated:,} tokens in {cost.seconds:.1f} s{speed}"


def notes(result: Result) -> list[Text]:
    """What a reader must know: the result's notes, and why branches failed."""
    failed = [f"branch {trajectory.id} failed: {trajectory.error}" for trajectory in result.trajectories if trajectory.error]
    return [Text(f"Note: {note}", style="yellow") for note in (*result.notes, *failed)]


def pairs(facts: Mapping[str, Any]) -> Table:
    """Names and values, one pair a line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(name, Text(_plain(value)))
    return grid


def _plain(value: Any) -> str:
    """A value as a person would write it."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def whole(result: Result, overview: RenderableType | None = None) -> Group:
    """The branches, or another `overview` of them, the chosen thinking and the verdict."""
    more = len(result.trajectories) - MOST
    rest = [Text(f"  and {more} more", style="dim")] if overview is None and more > 0 else []
    parts: list[RenderableType] = [overview or branches(result, MOST), *rest, ""]
    if result.chosen is not None:
        parts += [thinking(result.chosen), ""]
    return Group(*parts, verdict(result), *notes(result))
