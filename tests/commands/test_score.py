import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_folder
from typer.testing import Result

from reflectgen.load import load

Run = Callable[..., Result]
THINKING = "<think>Two.\n\nIt is 4.\n\n</think>"


def score(run: Run, folder: Path, tmp_path: Path, inputs: list[dict[str, Any]], *options: str) -> list[dict[str, Any]]:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in inputs))
    done = run("score", "--input", source, "--output", output, "--model", folder, *options)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in output.read_text().splitlines()]


def test_rows_come_out_in_order_with_the_positions_that_were_read(run: Run, folder: Path, tmp_path: Path) -> None:
    inputs = [{"text": "Q" * n + THINKING} for n in (9, 1, 5)] + [{"prompt": "QQ", "completion": THINKING}]
    found = score(run, folder, tmp_path, inputs)
    ids = tiny_folder.tokenizer().encode(THINKING, add_special_tokens=False)
    ends = [index for index, token in enumerate(ids) if tiny_folder.tokenizer().decode([token]) == ".\n\n"]
    for row, start in zip(found, (9, 1, 5, 2), strict=True):
        assert [step["position"] for step in row["steps"]] == [start + end - 1 for end in ends]
        assert [step["text"] for step in row["steps"]][-1] == "It is 4.\n\n"
        first, second = (step["score"] for step in row["steps"])
        assert row["score"] == pytest.approx((first * second) ** 0.5)


def test_it_is_what_the_library_says(run: Run, folder: Path, tmp_path: Path) -> None:
    (found,) = score(run, folder, tmp_path, [{"prompt": "Q", "completion": THINKING}])
    with load(folder, engine="naive") as model:
        assert found["score"] == pytest.approx(model.score_text("Q", THINKING).score, abs=1e-5)


@pytest.mark.parametrize(("preset", "steps"), [("paper", 1), ("official", 0), ("regex:4$", 1)])
def test_a_preset_replaces_the_heads_step_rule(run: Run, folder: Path, tmp_path: Path, preset: str, steps: int) -> None:
    (found,) = score(run, folder, tmp_path, [{"text": "<think>It is 4</think>"}], "--preset", preset)
    assert len(found["steps"]) == steps
    assert (found["score"] == 0) == (steps == 0)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ('{"txt": "a"}', 'line 1: give either the field "text" or the fields "prompt" and "completion"'),
        ('{"prompt": "a"}', "line 1: the field 'completion' is missing"),
        ('{"text": "a"', "line 1: not valid JSON"),
        ("\n", "holds no texts"),
    ],
)
def test_a_wrong_row_writes_nothing(run: Run, folder: Path, tmp_path: Path, row: str, fault: str) -> None:
    (tmp_path / "in.jsonl").write_text(row)
    done = run("score", "--input", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl", "--model", folder)
    assert done.exit_code == 2 and fault in done.output
    assert not (tmp_path / "out.jsonl").exists()


def test_without_a_head_nothing_can_be_graded(run: Run, headless: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a"}')
    done = run("score", "--input", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl", "--model", headless)
    assert done.exit_code == 2 and "Grading steps needs an SPRM head" in done.output
