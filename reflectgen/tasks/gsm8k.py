"""GSM8K: grade-school word problems, read from the publisher's files.

Source: Cobbe et al., "Training Verifiers to Solve Math Word Problems", arXiv 2110.14168;
https://github.com/openai/grade-school-math (`train.jsonl`, `test.jsonl`), MIT licence. A row is {"question", "answer"},
and the answer's last line is `#### 18`.
"""

from __future__ import annotations

from pathlib import Path

from reflectgen.rows import Row
from reflectgen.tasks.base import Hub, Task, missing
from reflectgen.tasks.files import read
from reflectgen.tasks.jsonl import collect, draw
from reflectgen.types import Problem

GOLD = "####"
"""What the gold answer follows in a row's `answer`."""

SOURCE = "https://github.com/openai/grade-school-math"


def load(path: Path | None, split: str = "test", limit: int | None = None, seed: int = 0) -> list[Problem]:
    """The problems of the publisher's file `path`, named `<split>/<line>`.

    At most `limit` of them, drawn with `seed` and kept in the file's order. Raises `InputError` where a row is wrong.
    """
    if path is None:
        raise missing("gsm8k", f"the publisher's {split}.jsonl", SOURCE)
    return draw(collect(path, read(path), lambda row: to_problem(row, split)), limit, seed)


def to_problem(row: Row, split: str) -> Problem:
    """The problem in a row; the worked solution is kept as `meta["solution"]`."""
    solution, mark, gold = row.text("answer").rpartition(GOLD)
    if not mark or not gold.strip():
        raise row.fault(f"the field 'answer' does not end with '{GOLD} ' and the gold answer.")
    return Problem(
        text=row.text("question"),
        id=f"{split}/{row.line}",
        answers=(gold.strip().replace(",", ""),),
        meta={"solution": solution.strip()},
    )


TASK = Task(
    name="gsm8k",
    source=f"Cobbe et al. 2021, {SOURCE}",
    licence="MIT",
    load=load,
    hub=Hub(dataset="openai/gsm8k", files={split: (f"main/{split}-*.parquet",) for split in ("test", "train")}),
    size=1_319,
    ran_on="1,319 rows of test",
)
