"""The page on tasks names what there is: every task, its licence, and whether it ever ran on real rows."""

import re
from pathlib import Path

from reflectgen.tasks import PUBLISHED, TASKS

PAGE = (Path(__file__).parent.parent / "docs" / "tasks.md").read_text(encoding="utf-8")


def table(heading: str, number: int = 0) -> list[list[str]]:
    """The rows of the table of that number below a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [part.strip() for part in section.split("\n\n") if part.strip().startswith("|")][number].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_table_names_every_task_and_its_licence() -> None:
    rows = table("The table")
    assert [names(row[0])[0] for row in rows] == list(TASKS)
    assert [row[3].replace(" ", "-").replace("none-given-(MAA)", "none given (MAA)") for row in rows] == [
        task.licence for task in TASKS.values()
    ]


def test_what_ran_on_real_rows_is_told() -> None:
    ((did, never),) = table("The table", 1)
    assert set(names(did)) == {task.name for task in PUBLISHED if task.ran_on}
    assert set(names(never)) == {task.name for task in PUBLISHED if not task.ran_on}
    sizes = dict(re.findall(r"`(\w+)` \(([\d,]+)", did))
    assert all(sizes[task.name] in task.ran_on for task in PUBLISHED if task.ran_on)
