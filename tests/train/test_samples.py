"""Sample traces as files and as tables of trackers."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reflectgen.train.samples import Sample, track, write

SAMPLE = Sample(
    problem="p/7",
    correct=True,
    ended=True,
    advantage=0.5,
    score=0.3,
    steps=(("1 + 1 = 2.\n\n", 0.3),),
    text="1 + 1 = 2.\n\nSo.",
)


def test_samples_are_lines_of_a_file_of_their_update(tmp_path: Path) -> None:
    path = write(tmp_path, 20, [SAMPLE, SAMPLE])
    assert path == tmp_path / "samples" / "update-000020.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(rows) == 2
    assert rows[0] == {
        "problem": "p/7",
        "correct": True,
        "ended": True,
        "advantage": 0.5,
        "score": 0.3,
        "steps": [["1 + 1 = 2.\n\n", 0.3]],
        "text": "1 + 1 = 2.\n\nSo.",
    }


def test_an_update_that_is_done_again_replaces_its_file(tmp_path: Path) -> None:
    write(tmp_path, 20, [SAMPLE, SAMPLE])
    assert len(write(tmp_path, 20, [SAMPLE]).read_text().splitlines()) == 1


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_trackers_with_tables_get_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[dict[str, Any]] = []
    fake = SimpleNamespace(log=lambda values, **options: logged.append(values), Table=lambda **content: content)
    monkeypatch.setitem(sys.modules, name, fake)
    track(("tensorboard", name), 20, [SAMPLE])
    (values,) = logged
    content = values["samples"]
    columns = content["columns"] if name == "wandb" else list(content["dataframe"].columns)
    assert columns == ["problem", "correct", "ended", "advantage", "score", "steps"]
    row = content["data"][0] if name == "wandb" else content["dataframe"].values.tolist()[0]
    assert row == ["p/7", True, True, 0.5, 0.3, "[0.30] 1 + 1 = 2."]
