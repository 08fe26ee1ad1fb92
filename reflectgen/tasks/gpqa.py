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

from pathlib import Path
from random import Random

from reflectgen.rows import Row
from reflectgen.tasks.base import Hub, Task, missing
from reflectgen.tasks.choice import ASK, LETTERS, extract, mutate, render
from reflectgen.tasks.files import read
from reflectgen.tasks.jsonl import collect, draw
from reflectgen.types import Problem

SOURCE = "https://github.com/idavidrein/gpqa"
CHOICES = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def load(path: Path | None, split: str = "test", limit: int | None = None, seed: int = 0) -> list[Problem]:
    """The problems of the publisher's file `path`, named `gpqa/<record>`; it is one split, whatever its name.

    At most `limit` of them, drawn with `seed` and kept in the file's order. Raises `InputError` where a row is wrong.
    """
    if path is None:
        raise missing("gpqa", "the publisher's gpqa_diamond.csv", SOURCE)
    return draw(collect(path, read(path), to_problem), limit, seed)


def to_problem(row: Row) -> Problem:
    """The problem in a row, its choices in the order of its own."""
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
    load=load,
    extract=extract,
    instruction=ASK,
    mutate=mutate,
    hub=Hub(dataset="Idavidrein/gpqa", files={"test": ("gpqa_diamond.csv",)}),
    size=198,
)
