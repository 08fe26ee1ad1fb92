"""GPQA Diamond: 198 questions of biology, physics and chemistry for those who hold a doctorate in it, four choices each.

Source: Rein et al., "GPQA: A Graduate-Level Google-Proof Q&A Benchmark", arXiv 2311.12022;
https://github.com/idavidrein/gpqa (`gpqa_diamond.csv`, in an archive whose password is told there), CC BY 4.0;
Idavidrein/gpqa on the Hub, gated. Of a row the fields "Question", "Correct Answer", "Incorrect Answer 1" to "3" and "Record
ID" are read; the other files of the publisher (`gpqa_main.csv`, `gpqa_extended.csv`) have the same. The authors ask that no
example be put where it could be trained on.

The choices come in an order that the record's id alone decides, so that the gold letter is the same for every sample and every
seed; the publisher shuffles by one seed over the whole file. How a letter is asked for and read: `reflectgen.tasks.choice`.
"""

from __future__ import annotations

from random import Random

from reflectgen.rows import Row
from reflectgen.tasks.base import Hub, Task
from reflectgen.tasks.choice import ASK, LETTERS, extract, mutate, render
from reflectgen.tasks.jsonl import one_split
from reflectgen.types import Problem

SOURCE = "https://github.com/idavidrein/gpqa"
CHOICES = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def to_problem(row: Row) -> Problem:
    """The problem in a row, named `gpqa/<record>`, its choices in an order of its own."""
    record = row.text("Record ID").strip()
    choices = [row.text(field).strip() for field in CHOICES]
    order = Random(f"gpqa/{record}").sample(range(len(choices)), len(choices))
    return Problem(
        text=render(row.text("Question"), [choices[index] for index in order]),
        id=f"gpqa/{record}",
        answers=(LETTERS[order.index(0)],),
        meta={"choices": len(choices)},
    )


TASK = Task(
    name="gpqa",
    source=f"Rein et al. 2023, {SOURCE}",
    licence="CC-BY-4.0",
    load=one_split("gpqa", "the publisher's gpqa_diamond.csv", SOURCE, to_problem),
    extract=extract,
    instruction=ASK,
    mutate=mutate,
    hub=Hub(dataset="Idavidrein/gpqa", files={"test": ("gpqa_diamond.csv",)}),
    size=198,
)
