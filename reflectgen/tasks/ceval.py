"""C-Eval: multiple-choice questions of 52 subjects in Chinese, from middle school to professional examinations.

Source: Huang et al., "C-Eval: A Multi-Level Multi-Discipline Chinese Evaluation Suite for Foundation Models", arXiv 2305.08322;
https://github.com/hkust-nlp/ceval and ceval/ceval-exam on the Hub, CC BY-NC-SA 4.0. Two formats are read:

1. The publisher's: a CSV (or parquet) file a subject, {"id", "question", "A", "B", "C", "D", "answer", "explanation"}, named
   `<subject>_<split>.csv`, or a folder of them. The splits are dev (5 questions a subject), val (1,346) and test (12,342, whose
   answers are not published, so that nothing is graded there). A single file is one split, whatever its name.
2. A JSON array of rendered prompts, {"model_input", "answer", "sub", "id"}: what the authors of arXiv 2507.01951 have of val.

The prompt is the row's own. Where rows hold none it is made by the same pattern, down to the braces that this one has
around the question and every choice: both formats of a question give the same prompt. How the letter is read:
`reflectgen.tasks.choice`. Deviation from the publisher: no worked examples stand before the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from reflectgen.errors import InputError
from reflectgen.rows import Row
from reflectgen.tasks.base import Hub, Task, missing
from reflectgen.tasks.ceval_subjects import SUBJECTS
from reflectgen.tasks.choice import checked, extract, mutate
from reflectgen.tasks.files import field, read
from reflectgen.tasks.jsonl import collect, draw
from reflectgen.types import Problem

SOURCE = "https://github.com/hkust-nlp/ceval"
SPLITS = ("dev", "val", "test")
CHOICES = "ABCD"
PROMPT = """以下是中国关于{subject}考试的单项选择题，请选出其中的正确答案。
{{{question}}}
A. {{{A}}}
B. {{{B}}}
C. {{{C}}}
D. {{{D}}}
让我们一步一步思考。你的回复的最后一行应遵循以下格式：'ANSWER: $LETTER'（不带引号），其中 LETTER 是选项 ABCD 中的一个。"""  # noqa: RUF001
_ENDING = re.compile(rf"_(?:{'|'.join(SPLITS)})$")


def load(path: Path | None, split: str = "test", limit: int | None = None, seed: int = 0) -> list[Problem]:
    """The problems of the file `path`, or of the files of `split` in the folder `path`, named `ceval/<subject>/<id>`.

    At most `limit` of them, drawn with `seed` and kept in order. Raises `InputError` where a row is wrong, or a folder holds no
    file of the split.
    """
    if path is None:
        raise missing("ceval", "the publisher's folder of CSV files", SOURCE)
    rows = chain.from_iterable(map(read, _files(path, split))) if path.is_dir() else read(path)
    return draw(collect(path, rows, to_problem), limit, seed)


def to_problem(row: Row) -> Problem:
    """The problem in a row of either format."""
    rendered = "model_input" in row.values
    subject = row.text("sub") if rendered else _subject(row)
    letter = row.values.get("answer")
    return Problem(
        text=row.text("model_input") if rendered else _prompt(row, subject),
        id=f"ceval/{subject}/{field(row, 'id')}",
        answers=(checked(row, row.text("answer").strip(), len(CHOICES)),) if letter else (),
        meta={"choices": len(CHOICES), "subject": subject},
    )


def _prompt(row: Row, subject: str) -> str:
    parts = {name: str(field(row, name)) for name in CHOICES}  # a choice may be blank
    return PROMPT.format(subject=SUBJECTS[subject], question=row.text("question"), **parts)


def _subject(row: Row) -> str:
    """The subject that a file's name begins with; its folder's name where the file's is its split's alone."""
    for name in (_ENDING.sub("", row.path.stem), row.path.parent.name):
        if name in SUBJECTS:
            return name
    raise row.fault("the file's name begins with no subject of C-Eval: name it as the publisher does, e.g. law_val.csv.")


def _files(folder: Path, split: str) -> Iterator[Path]:
    found = sorted([*folder.rglob(f"*_{split}.csv"), *folder.glob(f"*/{split}-*.parquet")])
    if not found:
        raise InputError(
            f"The folder {folder} holds no files of the split '{split}' (e.g. law_{split}.csv): the splits of C-Eval are "
            f"{', '.join(SPLITS)}."
        )
    return iter(found)


TASK = Task(
    name="ceval",
    source=f"Huang et al. 2023, {SOURCE}",
    licence="CC-BY-NC-SA-4.0",
    load=load,
    extract=extract,
    instruction="",
    mutate=mutate,
    hub=Hub(dataset="ceval/ceval-exam", files={split: (f"*/{split}-*.parquet",) for split in SPLITS}),
    size=1_346,
    ran_on="1,346 rows of val",
)
