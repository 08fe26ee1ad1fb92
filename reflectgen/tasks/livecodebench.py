"""LiveCodeBench: programs for problems of LeetCode, AtCoder and Codeforces contests, dated, so that a model can be asked
what is newer than its training.

Source: Jain et al., "LiveCodeBench: Holistic and Contamination Free Evaluation of Large Language Models for Code", arXiv
2403.07974; https://github.com/LiveCodeBench/LiveCodeBench (MIT) and livecodebench/code_generation_lite on the Hub, whose
licence is CC without a version; the problems are the contests'. A row is {"question_title", "question_content", "platform",
"question_id", "contest_id", "contest_date", "starter_code", "difficulty", "public_test_cases", "private_test_cases",
"metadata"}; how tests are stored and run: `reflectgen.tasks.contests`.

The publisher's files are `test.jsonl` and `test2.jsonl` to `test6.jsonl`, one for what each release added. A split is parts
joined by commas: `v5` is what release 5 added and `release_v5` all up to it, `2024-08-01:2025-02-01` the contests of those
days, both included, and `test` everything; so `release_v5,2024-08-01:2025-02-01`. Releases need the folder of the files, or
one file of theirs; a file of another name takes dates alone.

Deviations from the publisher's program: 1. The prompt is in words of our own. 2. The last code block of a
reply is the answer, as there. 3. Limits, and what ends a program: see `reflectgen.tasks.contests`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from itertools import chain
from pathlib import Path

from reflectgen.errors import OptionError
from reflectgen.rows import Row
from reflectgen.tasks.base import Hub, Task, missing
from reflectgen.tasks.code import FENCE, OPENING, last_block, ready
from reflectgen.tasks.contests import grade, stored_tests
from reflectgen.tasks.files import read
from reflectgen.tasks.jsonl import collect, draw
from reflectgen.types import Problem

SOURCE = "https://huggingface.co/datasets/livecodebench/code_generation_lite"
FILES = ("test.jsonl", *(f"test{release}.jsonl" for release in range(2, 7)))
"""What each release added."""
RELEASES = {f"v{number}": (file,) for number, file in enumerate(FILES, 1)} | {
    f"release_v{number}": FILES[:number] for number in range(1, len(FILES) + 1)
}
"""Part of a split -> the files that it names."""
WITH_STARTER = "Complete this class, and answer with all of it in one Python code block:"
FROM_INPUT = "Write a Python program that reads from standard input and prints the answer. Answer with one Python code block."

Dated = Callable[[date], bool]


def load(path: Path | None, split: str = "test", limit: int | None = None, seed: int = 0) -> list[Problem]:
    """The problems of `split` in the publisher's folder or file `path`, named `livecodebench/<question>`.

    At most `limit` of them, drawn with `seed` and kept in order. Raises `InputError` where a row is wrong, and
    `OptionError` for a split that is none, or one that the file cannot tell.
    """
    if path is None:
        raise missing("livecodebench", "the publisher's folder of test.jsonl to test6.jsonl", SOURCE)
    parts = [part.strip() for part in split.split(",")]
    windows = [_window(part) for part in parts if part not in RELEASES and part != "test"]
    named = [RELEASES[part] for part in parts if part in RELEASES]
    rows = chain.from_iterable(map(read, _files(path, named, split)))
    asked = (row for row in rows if all(holds(_contest_date(row)) for holds in windows))
    return draw(collect(path, asked, to_problem), limit, seed)


def to_problem(row: Row) -> Problem:
    """The problem in a row; `meta` holds its tests, and when, where and how hard it was. No gold answer is published."""
    starter = row.values.get("starter_code") or ""
    form = f"{WITH_STARTER}\n{OPENING}{starter.rstrip()}\n{FENCE}" if starter.strip() else FROM_INPUT
    meta = {name: row.values.get(name) for name in ("contest_date", "platform", "difficulty")}
    return Problem(
        text=f"{row.text('question_content').strip()}\n\n{form}",
        id=f"livecodebench/{row.text('question_id')}",
        meta={**meta, **stored_tests(row)},
    )


def _window(part: str) -> Dated:
    """Whether a day lies in `2024-08-01:2025-02-01`; either end may be left out."""
    ends = re.fullmatch(r"(\d{4}-\d\d-\d\d)?:(\d{4}-\d\d-\d\d)?", part)
    try:
        if ends is None:
            raise ValueError
        first, last = (date.fromisoformat(day) if day else None for day in ends.groups())
    except ValueError:
        known = f"test, v1 to v{len(FILES)}, release_v1 to release_v{len(FILES)}"
        raise OptionError(f"'{part}' is no split of LiveCodeBench: give {known}, or days as 2024-08-01:2025-02-01.") from None
    return lambda day: (first is None or first <= day) and (last is None or day <= last)


def _files(path: Path, named: list[tuple[str, ...]], split: str) -> Iterator[Path]:
    """The files that all parts of the split name, of the folder `path`; `path` itself, where it is the file that they name."""
    wanted = [file for file in FILES if all(file in files for files in named)]
    if path.is_dir():
        return (path / file for file in wanted if named or (path / file).exists())
    if named and wanted != [path.name]:
        raise OptionError(
            f"The split '{split}' names {' and '.join(wanted) or 'no file'}, and not {path.name}: give their folder."
        )
    return iter([path])


def _contest_date(row: Row) -> date:
    text = row.text("contest_date")
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise row.fault(f"the field 'contest_date' is no date: '{text[:40]}'.") from None


TASK = Task(
    name="livecodebench",
    source=f"Jain et al. 2024, {SOURCE}",
    licence="CC",
    load=load,
    extract=last_block,
    grade=grade,
    ready=ready,
    instruction="",
    tested=True,
    hub=Hub(dataset="livecodebench/code_generation_lite", files=RELEASES, other=FILES),
    size=1_055,
)
