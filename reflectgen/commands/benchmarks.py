"""What a person sees of the tasks: their table, and what their gold answers come to."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.padding import Padding
from rich.text import Text

from reflectgen.commands.progress import progress
from reflectgen.commands.sampling import Source
from reflectgen.commands.show import console
from reflectgen.evaluate.gold import GoldCheck, Graded, answers_of, check_gold
from reflectgen.tasks import PUBLISHED, TASKS, Task

FIRST = 5
"""Faults that are shown."""
LINE = "{:<18}{:>8}  {:<17} {}"
"""One task on the screen; where it is from stands on the next line."""
NEVER = "never run on its publisher's rows"


def print_tasks(*, as_json: bool) -> None:
    """The table of tasks, or its rows as JSON."""
    facts = [about(task) for task in TASKS.values()]
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    out = console()
    out.print(Text(LINE.format("task", "problems", "licence", "ran on"), style="bold"))
    for fact in facts:
        size = "" if fact["problems"] is None else f"{fact['problems']:,}"
        out.print(Text(LINE.format(fact["name"], size, fact["licence"], fact["ran_on"] or NEVER)))
        out.print(Padding(Text(fact["source"], style="dim"), (0, 0, 0, 2), expand=False))


def about(task: Task) -> dict[str, Any]:
    """Facts of a task: `problems` is None where that depends on the file, `ran_on` empty where its rows were never seen."""
    hub = {"hub": task.hub.dataset if task.hub else None}
    ran_on = task.ran_on if task in PUBLISHED else "its own rows"
    return {"name": task.name, "problems": task.size, "licence": task.licence, "source": task.source, **hub, "ran_on": ran_on}


def print_gold(source: Source, *, as_json: bool) -> bool:
    """Grade the gold answers of the problems, and changed ones; print what that came to, and return whether all is well."""
    task, problems = source.load()
    golds, wrong = answers_of(task, problems)
    with progress(len(golds) + len(wrong)) as show:
        found = check_gold(task, golds, wrong, lambda graded: show(graded, ""))
    typer.echo(json.dumps(found.plain(), ensure_ascii=False, indent=2)) if as_json else _print(found)
    return found.holds


def _print(found: GoldCheck) -> None:
    out = console()
    out.print(f"{found.task}: {found.problems:,} problems", markup=False)
    for name, graded, verdict in (("gold answers", found.golds, "right"), ("changed answers", found.changed, "refused")):
        good = graded.count - len(graded.faults)
        out.print(
            f"{name:<16} {good:,} of {graded.count:,} {verdict} ({graded.share:.2%}) in {graded.seconds:.1f} s", markup=False
        )
    for name, graded in (("Refused", found.golds), ("Passed, though changed", found.changed)):
        _print_faults(name, graded)


def _print_faults(name: str, graded: Graded) -> None:
    for problem, answer in graded.faults[:FIRST]:
        told = " ".join(answer.split())
        console().print(Text(f"{name}: {problem}: {told[:200]}", style="yellow"))
    if (more := len(graded.faults) - FIRST) > 0:
        console().print(Text(f"  and {more:,} more", style="dim"))
