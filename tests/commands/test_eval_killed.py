"""An evaluation of the bundled model that is killed at random moments ends in the rows and the report of one that is not."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import Result

from reflectgen.evaluate.cells import Folder

Run = Callable[..., Result]
GRID = ("--strategy", "best_of_n,adaptive,beam", "--select", "weighted,majority", "--k", "2,4", "--seeds", 2)
WORDS = ("eval", "--task", "wordproblems", *GRID, "--device", "cpu")


def written(folder: Path) -> int:
    """Bytes in the folder, whatever they are."""
    found = 0
    for path in folder.rglob("*"):
        try:
            found += path.stat().st_size
        except FileNotFoundError:  # it was renamed meanwhile
            continue
    return found


def kill_once(folder: Path, problems: int, rng: Random) -> bool:
    """Start, wait until something more is written, and kill a little later; return whether it was still at work."""
    before = written(folder)
    command = [
        sys.executable,
        "-c",
        "from reflectgen.cli import main; main()",
        *map(str, (*WORDS, "--limit", problems, "--output", folder)),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None and (rng.random() < 0.02 or written(folder) == before):
                time.sleep(0.01)
            time.sleep(rng.random() * 0.3)
            return process.poll() is None
        finally:
            process.kill()


def untimed(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of every cell without their seconds."""
    cells = Folder.open(folder)
    return {str(cell): [_untimed(dict(row.values)) for row in cells.rows(cell)] for cell in cells.cells}


def _untimed(value: Any) -> Any:
    """Without whatever is called seconds, at any depth."""
    if isinstance(value, dict):
        return {name: _untimed(inner) for name, inner in value.items() if "seconds" not in name}
    return [_untimed(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kills", "problems"), [(2, 16), pytest.param(20, 200, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_as_if_it_had_not_been(run: Run, tmp_path: Path, kills: int, problems: int) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    reports = []
    rng = Random(kills)
    struck = sum(kill_once(killed, problems, rng) for _ in range(kills))
    assert struck >= kills / 2
    for folder in (whole, killed):
        done = run(*WORDS, "--limit", problems, "--output", folder, "--json")
        assert done.exit_code == 0, done.output
        reports.append({**_untimed(json.loads(done.stdout)), "folder": ""})
    assert untimed(killed) == untimed(whole)
    assert reports[0] == reports[1]
