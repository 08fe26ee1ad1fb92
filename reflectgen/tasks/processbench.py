"""ProcessBench: 3,400 solutions of mathematical problems, cut into steps, with the first wrong step named by experts.

Source: Zheng et al., "ProcessBench: Identifying Process Errors in Mathematical Reasoning", arXiv 2412.06559;
https://github.com/QwenLM/ProcessBench and Qwen/ProcessBench on the Hub, Apache-2.0. A row is {"id", "generator", "problem",
"steps", "final_answer_correct", "label"}; label is the place of the first wrong step, counted from 0, and -1 where there is
none. The splits are its files: gsm8k (400 rows), math, olympiadbench and omnimath (1,000 each).

It is not solved: a head grades the steps that are given, and how well it finds the first wrong one is measured by
`reflectgen.evaluate.processbench`.
"""

from __future__ import annotations

from pathlib import Path

from reflectgen.errors import unknown
from reflectgen.metrics import NO_ERROR
from reflectgen.rows import Row
from reflectgen.tasks.base import Hub, Task, missing
from reflectgen.tasks.files import read
from reflectgen.tasks.jsonl import collect, draw
from reflectgen.types import Problem

SOURCE = "https://github.com/QwenLM/ProcessBench"
SPLITS = ("gsm8k", "math", "olympiadbench", "omnimath")


def load(path: Path | None, split: str = "gsm8k", limit: int | None = None, seed: int = 0) -> list[Problem]:
    """The rows of `split` in the publisher's folder `path`, or those of the file `path`, named as there (`gsm8k-0`).

    `meta` holds the steps, `label` and whether the final answer is right. At most `limit`, drawn with `seed` and kept in order.
    Raises `InputError` where a row is wrong.
    """
    if path is None:
        raise missing(
            "processbench", "the publisher's folder of gsm8k.json, math.json, olympiadbench.json and omnimath.json", SOURCE
        )
    if path.is_dir() and split not in SPLITS:
        raise unknown("split", split, SPLITS)
    file = path / f"{split}.json" if path.is_dir() else path
    return draw(collect(file, read(file), to_problem), limit, seed)


def to_problem(row: Row) -> Problem:
    """The problem in a row, with the steps of the solution to be graded."""
    steps, label = row.values.get("steps"), row.values.get("label")
    if not isinstance(steps, list) or not steps or not all(isinstance(step, str) and step.strip() for step in steps):
        raise row.fault("the field 'steps' must be a list of texts.")
    if not isinstance(label, int) or isinstance(label, bool) or not NO_ERROR <= label < len(steps):
        raise row.fault(f"the field 'label' must be a step's place, from 0 to {len(steps) - 1}, or {NO_ERROR}.")
    meta = {"steps": tuple(steps), "label": label, "final_answer_correct": row.values.get("final_answer_correct")}
    return Problem(text=row.text("problem"), id=row.text("id"), meta=meta)


TASK = Task(
    name="processbench",
    source=f"Zheng et al. 2024, {SOURCE}",
    licence="Apache-2.0",
    load=load,
    hub=Hub(
        dataset="Qwen/ProcessBench",
        files={"all": tuple(f"{split}.json" for split in SPLITS), **{split: (f"{split}.json",) for split in SPLITS}},
    ),
    size=3_400,
    unsolved="ProcessBench is not solved: its steps are graded by a head, with reflectgen processbench.",
)
