"""Two small tasks of the bundled model's word problems, as rows that harnesses read from files."""

import json
from pathlib import Path

from reflectgen.tasks import TASKS


def write_rows(folder: Path, count: int = 6) -> dict[str, list[dict[str, str]]]:
    """Name of a task -> its rows, which are written to `folder/NAME.jsonl`, too."""
    made = {
        "short": TASKS["wordproblems"].load(None, "test", count, 0),
        "long": TASKS["wordproblems_long"].load(None, "test", count, 0),
    }
    rows = {
        name: [{"question": problem.text, "answer": problem.answers[0]} for problem in problems]
        for name, problems in made.items()
    }
    for name, lines in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return rows
