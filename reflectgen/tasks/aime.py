r"""What the years of the American Invitational Mathematics Examination share: 15 problems each in two papers, answers 0 to 999.

Source: Mathematical Association of America, which publishes problems and answers and names no licence for them. Rows go
about in several shapes, and any of these is read: {"prompt", "answer"} (the prompt ends with `INSTRUCTION`), {"problem",
"answer", "id"?} and {"question", "answer"}, in any case of the names. A row without an `id` is named by its line.

The prompt is the problem and, on the next line, `INSTRUCTION`: what the authors of arXiv 2507.01951 have in their file. It is
part of the problem's text, so that `--instruction` adds to it. The answer is the last box, else the last number, compared as a
number by `reflectgen.answers`, so `025` is 25. One split, whatever its name.
"""

from __future__ import annotations

import re

from reflectgen.rows import Row
from reflectgen.tasks.base import Loader
from reflectgen.tasks.files import field
from reflectgen.tasks.jsonl import one_split
from reflectgen.types import Problem

SOURCE = "https://artofproblemsolving.com/wiki/index.php/AIME_Problems_and_Solutions"
LICENCE = "none given (MAA)"
INSTRUCTION = "Please reason step by step, and put your final answer within \\boxed{}."
_ANSWER = re.compile(r"0*(\d{1,3})", re.ASCII)


def loader(task: str) -> Loader:
    """Reads the problems of one year, named `<task>/<id>`."""
    return one_split(task, "a file of rows with problem and answer", SOURCE, lambda row: to_problem(row, task))


def to_problem(row: Row, task: str) -> Problem:
    """The problem in a row. Raises `InputError` where a field is missing or the answer is no whole number from 0 to 999."""
    lower = Row(row.path, row.line, {name.casefold(): value for name, value in row.values.items()})
    name = next((name for name in ("prompt", "problem", "question") if name in lower.values), "problem")
    text = lower.text(name).rstrip()
    return Problem(
        text=text if text.endswith(INSTRUCTION) else f"{text}\n{INSTRUCTION}",
        id=f"{task}/{lower.values.get('id', row.line)}",
        answers=(_gold(lower),),
    )


def _gold(row: Row) -> str:
    value = str(field(row, "answer")).strip()
    found = _ANSWER.fullmatch(value)
    if not found:
        raise row.fault(f"the answer '{value[:20]}' is no whole number from 0 to 999.")
    return found[1]
