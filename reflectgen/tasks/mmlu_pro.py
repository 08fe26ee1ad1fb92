"""MMLU-Pro: 12,032 questions of 14 fields, up to ten choices each.

Source: Wang et al., "MMLU-Pro: A More Robust and Challenging Multi-Task Language Understanding Benchmark", arXiv
2406.01574; TIGER-Lab/MMLU-Pro on the Hub (`data/test-00000-of-00001.parquet`), MIT licence. A row is {"question_id",
"question", "options", "answer", "answer_index", "cot_content", "category", "src"}, from parquet or JSON Lines; a file is
one split, whatever its name. From the Hub the splits are test and validation.

Deviations from the publisher's program: 1. No worked examples stand before the question (the publisher puts five of the field).
2. How a letter is asked for and read: `reflectgen.tasks.choice`; where none can be read there is no answer, where the publisher
draws one at random. As there, choices "N/A" at the end are left out.
"""

from __future__ import annotations

from reflectgen.rows import Row
from reflectgen.tasks.base import Hub, Task
from reflectgen.tasks.choice import ASK, LETTERS, checked, extract, mutate, render
from reflectgen.tasks.files import field
from reflectgen.tasks.jsonl import one_split
from reflectgen.types import Problem

SOURCE = "https://huggingface.co/datasets/TIGER-Lab/MMLU-Pro"


def to_problem(row: Row) -> Problem:
    """The problem in a row, named `mmlu_pro/<question>`; its field of knowledge is kept as `meta["category"]`."""
    choices = _choices(row)
    return Problem(
        text=render(row.text("question"), choices),
        id=f"mmlu_pro/{field(row, 'question_id')}",
        answers=(checked(row, row.text("answer").strip(), len(choices)),),
        meta={"choices": len(choices), "category": row.values.get("category")},
    )


def _choices(row: Row) -> list[str]:
    value = row.values.get("options")
    if not isinstance(value, list) or not all(isinstance(choice, str) for choice in value):
        raise row.fault("the field 'options' must be a list of strings.")
    choices = list(value)
    while choices and choices[-1] == "N/A":
        choices.pop()
    if not 2 <= len(choices) <= len(LETTERS):
        raise row.fault(f"the field 'options' holds {len(choices)} choices, and not two to {len(LETTERS)}.")
    return choices


TASK = Task(
    name="mmlu_pro",
    source=f"Wang et al. 2024, {SOURCE}",
    licence="MIT",
    load=one_split("mmlu_pro", "the publisher's test-00000-of-00001.parquet", SOURCE, to_problem),
    extract=extract,
    instruction=ASK,
    mutate=mutate,
    hub=Hub(
        dataset="TIGER-Lab/MMLU-Pro",
        files={"test": ("data/test-*.parquet",), "validation": ("data/validation-*.parquet",)},
    ),
    size=12_032,
)
