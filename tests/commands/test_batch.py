import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from reflectgen.reflector import Reflector
from reflectgen.types import Problem
from reflectgen.types import Result as Solved

Run = Callable[..., Result]
SHORT = ("--k", 2, "--max-tokens", 20)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def problems(folder: Path, count: int) -> Path:
    path = folder / "problems.jsonl"
    path.write_text("".join(json.dumps({"problem": f"{n} + 1?", "id": f"p{n}", "answer": n + 1}) + "\n" for n in range(count)))
    return path


def test_every_problem_gets_a_row_and_accuracy_its_interval(run: Run, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    done = run("solve", "--input", problems(tmp_path, 5), "--output", output, "--model", folder, *SHORT)
    assert done.exit_code == 0, done.output
    written = rows(output)
    assert sorted(row["id"] for row in written) == ["p0", "p1", "p2", "p3", "p4"]
    for row in written:
        assert row["gold"] == [str(int(row["problem"].split()[0]) + 1)]
        assert row["correct"] == (row["answer"] in row["gold"])
        assert len(row["candidates"]) == 2 and row["settings"]["k"] == 2
    right = sum(row["correct"] for row in written)
    assert f"accuracy {right / 5:.1%} [" in done.output and "on 5" in done.output
    assert "5 of 5 problems are solved" in done.output and "tokens/s" in done.output


def test_a_second_run_goes_on_behind_a_half_written_row(run: Run, folder: Path, tmp_path: Path) -> None:
    source, output = problems(tmp_path, 4), tmp_path / "out.jsonl"
    arguments = ("solve", "--input", source, "--output", output, "--model", folder, *SHORT)
    run(*arguments)
    lines = output.read_text().splitlines(keepends=True)
    whole = sorted(lines)
    output.write_text(lines[0] + lines[1] + lines[2][:30])
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    again = output.read_text().splitlines(keepends=True)
    assert again[:2] == lines[:2]
    assert [without_seconds(line) for line in sorted(again)] == [without_seconds(line) for line in whole]
    assert "nothing was left to do" in run(*arguments).output


def without_seconds(line: str) -> dict[str, Any]:
    """A row without the time, which is all that differs from run to run."""
    row: dict[str, Any] = json.loads(line)
    row["cost"].pop("seconds")
    return row


def test_in_16_bits_too_a_resumed_file_has_the_rows_of_a_whole_one(run: Run, folder: Path, tmp_path: Path) -> None:
    """Three units of two problems; the second is begun and the third is still to come."""
    source, output = problems(tmp_path, 6), tmp_path / "out.jsonl"
    arguments = ("solve", "--input", source, "--output", output, "--model", folder, "--k", 100, "--max-tokens", 6)
    assert run(*arguments, "--dtype", "bfloat16").exit_code == 0
    lines = output.read_text().splitlines(keepends=True)
    assert [{"p0", "p1"}, {"p2", "p3"}, {"p4", "p5"}] == [
        {json.loads(line)["id"] for line in lines[start : start + 2]} for start in (0, 2, 4)
    ]
    output.write_text("".join(lines[:3]))
    assert run(*arguments, "--dtype", "bfloat16").exit_code == 0
    again = output.read_text().splitlines(keepends=True)
    assert again[:3] == lines[:3]
    assert [without_seconds(line) for line in sorted(again)] == [without_seconds(line) for line in sorted(lines)]


def test_a_problem_of_which_every_thinking_failed_is_not_wrong_but_tried_again(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Reflector.solve_together

    def fail(self: Reflector, problems: Sequence[Problem], **options: Any) -> Iterator[Solved]:
        for result in whole(self, problems, **options):
            lost = [replace(one, finish="failed", error="the server is gone") for one in result.trajectories]
            yield replace(result, trajectories=tuple(lost)) if result.problem.id == "p1" else result

    source, output = problems(tmp_path, 3), tmp_path / "out.jsonl"
    arguments = ("solve", "--input", source, "--output", output, "--model", folder, *SHORT)
    with monkeypatch.context() as broken:
        broken.setattr(Reflector, "solve_together", fail)
        done = run(*arguments)
    assert done.exit_code == 2
    assert "Every thinking of 1 of 3 problems failed (the server is gone), so they have no row" in done.output
    assert "2 of 3 problems are solved" in done.output and "on 2" in done.output
    assert sorted(row["id"] for row in rows(output)) == ["p0", "p2"]
    assert run(*arguments).exit_code == 0
    assert sorted(row["id"] for row in rows(output)) == ["p0", "p1", "p2"]


def test_gsm8k_is_known_by_its_fields(run: Run, folder: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "test.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps({"question": "1 + 1?", "answer": "1 + 1 = 2\n#### 2"}))
    assert run("solve", "--input", source, "--output", output, "--model", folder, *SHORT).exit_code == 0
    assert rows(output)[0]["gold"] == ["2"]
    refused = run("solve", "--input", source, "--output", output, "--task", "jsonl", "--model", folder, *SHORT)
    assert refused.exit_code == 2 and "the field 'problem' is missing" in refused.output


def test_an_output_of_other_options_is_left_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    source, output = problems(tmp_path, 1), tmp_path / "out.jsonl"
    run("solve", "--input", source, "--output", output, "--model", folder, *SHORT)
    before = output.read_bytes()
    done = run("solve", "--input", source, "--output", output, "--model", folder, "--effort", "high", "--max-tokens", 20)
    assert done.exit_code == 2
    assert "line 1: it was made with k 2, and now k is 32" in done.output
    done = run("solve", "--input", source, "--output", output, "--model", folder, "--prm", folder, *SHORT)
    assert done.exit_code == 2 and "it was made with prm None, and now prm is" in done.output
    assert output.read_bytes() == before


def test_a_batch_of_a_strategy_says_how_and_goes_on_only_with_the_same(run: Run, folder: Path, tmp_path: Path) -> None:
    source, output, file = problems(tmp_path, 2), tmp_path / "out.jsonl", tmp_path / "efforts.yaml"
    file.write_text("efforts: {quick: {k: 4, strategy: beam, settings: {expand: 2}, budget: 100, max_tokens: 20}}")
    arguments = ("solve", "--input", source, "--output", output, "--model", folder)
    done = run(*arguments, "--efforts", file, "--effort", "quick")
    assert done.exit_code == 0, done.output
    for row in rows(output):
        settings = row["settings"]
        assert row["strategy"] == settings["strategy"] == "beam"
        assert (settings["k"], settings["settings"], settings["budget"], settings["max_tokens"]) == (4, {"expand": 2}, 100, 20)
    spelt_out = ("--strategy", "beam", "--k", 4, "--set", "expand=2", "--max-tokens", 20)
    assert "nothing was left to do" in run(*arguments, *spelt_out, "--budget", 100).output
    other = run(*arguments, *spelt_out)
    assert other.exit_code == 2 and "it was made with budget 100, and now budget is None" in other.output
    other = run(*arguments, *spelt_out, "--budget", 100, "--set", "expand=4")
    assert "it was made with settings {'expand': 2}, and now settings is {'expand': 4}" in other.output


def test_defaults_of_a_strategy_are_settings_of_its_batch(run: Run, folder: Path, tmp_path: Path) -> None:
    source, output = problems(tmp_path, 1), tmp_path / "out.jsonl"
    arguments = ("solve", "--input", source, "--output", output, "--model", folder, "--strategy", "esc", *SHORT)
    assert run(*arguments).exit_code == 0
    assert rows(output)[0]["settings"]["settings"] == {"window": 4}
    assert "nothing was left to do" in run(*arguments, "--set", "window=4").output
    assert run(*arguments, "--tree").output.startswith("--tree does not go with --input")


def test_a_file_that_is_no_output_is_left_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    source = problems(tmp_path, 2)
    before = source.read_bytes()
    done = run("solve", "--input", source, "--output", source, "--model", folder, *SHORT)
    assert done.exit_code == 2 and "give another --output" in done.output
    assert source.read_bytes() == before


def test_a_prompt_that_is_too_long_is_found_before_anything_is_solved(run: Run, folder: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "problems.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps({"problem": "1?"}) + "\n" + json.dumps({"problem": "2" * 300, "id": "long"}) + "\n")
    done = run("solve", "--input", source, "--output", output, "--model", folder, *SHORT)
    assert done.exit_code == 2
    assert "problem 'long': The prompt has 302 tokens, the model's context 256" in done.output
    assert not output.exists()


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_an_interrupt_keeps_finished_rows_and_says_how_to_go_on(run: Run, folder: Path, tmp_path: Path) -> None:
    source, output = problems(tmp_path, 300), tmp_path / "out.jsonl"
    arguments = ["solve", "--input", source, "--output", output, "--model", folder, "--k", 32, "--max-tokens", 8]
    arguments += ["--answer", "chosen"]
    command = [sys.executable, "-c", "from reflectgen.cli import main; main()", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for_rows(output, process)
            process.send_signal(signal.SIGINT)
            told = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert process.returncode == 130
    kept = rows(output)
    assert 0 < len(kept) < 300
    sentence = f"Interrupted: {len(kept)} of 300 problems are solved in {output}, and the same command goes on from there."
    assert told.strip() == sentence


def wait_for_rows(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the first row is written."""
    for _ in range(1000):
        if path.exists() and path.stat().st_size:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    raise AssertionError("no row was written within a hundred seconds")
