r"""MATH-500: 500 of the 5,000 test problems of MATH, competition mathematics whose answers are formulas.

Source: Hendrycks et al., "Measuring Mathematical Problem Solving With the MATH Dataset", arXiv 2103.03874; the choice of 500 is
that of Lightman et al., "Let's Verify Step by Step", arXiv 2305.20050; https://github.com/openai/prm800k (`math_splits`) and
HuggingFaceH4/MATH-500 on the Hub (`test.jsonl`), MIT licence. A row is {"problem", "solution", "answer", "subject", "level",
"unique_id"}; one split, whatever its name.

The prompt is the problem with the model's own instruction. Deviation from the publisher's grader, which compares strings after
normalising: answers are compared as numbers, sets, intervals and formulas too (`reflectgen.answers`).
"""

from __future__ import annotations

from reflectgen.rows import Row
from reflectgen.tasks.base import Hub, Task
from reflectgen.tasks.jsonl import one_split
from reflectgen.types import Problem

SOURCE = "https://huggingface.co/datasets/HuggingFaceH4/MATH-500"


def to_problem(row: Row) -> Problem:
    """The problem in a row, named as there (`test/algebra/2584.json`); subject and level are kept in `meta`."""
    meta = {name: row.values[name] for name in ("subject", "level") if name in row.values}
    return Problem(text=row.text("problem"), id=row.text("unique_id"), answers=(row.text("answer"),), meta=meta)


TASK = Task(
    name="math500",
    source=f"Hendrycks et al. 2021, Lightman et al. 2023, {SOURCE}",
    licence="MIT",
    load=one_split("math500", "the publisher's test.jsonl", SOURCE, to_problem),
    hub=Hub(dataset="HuggingFaceH4/MATH-500", files={"test": ("test.jsonl",)}),
    size=500,
)
