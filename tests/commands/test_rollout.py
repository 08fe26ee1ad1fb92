"""Sampling a task into a store from the command line: on the bundled model, killed and gone on with."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import Result

from reflectgen.rollouts import Rollout, Store

Run = Callable[..., Result]
SHORT = ("--k", 2, "--max-tokens", 20)
WORDS = ("rollout", "--task", "wordproblems", "--limit", 24, "--k", 4, "--chunk", 2)


def untimed(folder: Path) -> list[Rollout]:
    """The rows without their seconds."""
    return [replace(row, cost=replace(row.cost, seconds=0.0)) for row in Store.open(folder)]


def problems(folder: Path, count: int) -> Path:
    path = folder / "problems.jsonl"
    path.write_text("".join(json.dumps({"problem": f"{n} + 1?", "id": f"p{n}", "answer": n + 1}) + "\n" for n in range(count)))
    return path


def test_a_file_is_sampled_into_a_store_and_summed_up(run: Run, folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    arguments = ("rollout", "--data", problems(tmp_path, 5), "--model", folder, "--output", store, "--chunk", 2, *SHORT)
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    names = ["store", "task", "model", "backbone", "head", "step rule", "problems", "traces", "pass@1", "any right"]
    names += ["unfinished", "tokens a trace", "steps a trace"]
    for name in names:
        assert f"\n{name} " in f"\n{done.output}"
    assert "jsonl" in done.output and max(map(len, done.output.splitlines())) <= 80
    rows = Store.open(store).rollouts
    assert [row.key for row in rows] == [(f"p{n}", sample) for n in range(5) for sample in (0, 1)]
    again = run(*arguments, "--json")
    told = json.loads(again.output)
    assert (told["problems"], told["traces"], told["failed"]) == (5, 10, 0)
    assert told["pass_at_1"]["estimate"] == pytest.approx(sum(row.correct is True for row in rows) / 10)
    assert told["header"]["sampling"]["max_tokens"] == 20
    assert Store.open(store).rollouts == rows


def test_step_rule_limit_share_and_compact(run: Run, folder: Path, tmp_path: Path) -> None:
    source = problems(tmp_path, 9)
    common = ("rollout", "--data", source, "--limit", 4, "--chunk", 1, "--model", folder, *SHORT)
    asked = ("--instruction", "Be brief.")
    options = ("--step-rule", "newline", "--compact", "--shard", "1/2", *asked, "--output", tmp_path / "store")
    assert run(*common, *options).exit_code == 0
    store = Store.open(tmp_path / "store")
    assert [path.name for path in store.shards] == ["part-00001.parquet", "part-00003.parquet"]
    assert store.header.step_rule == "newline" and store.rollouts[0].text is None
    assert store.header.prompt["instruction"] == "Be brief."
    other = tmp_path / "other"
    assert run(*common, "--data-seed", 1, "--output", other).exit_code == 0
    drawn = [list(dict.fromkeys(row.problem_id for row in Store.open(folder))) for folder in (store.folder, other)]
    assert drawn[0] != drawn[1][1::2]


def test_a_share_without_a_shard_is_told_and_is_no_error(run: Run, folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    common = ("rollout", "--data", problems(tmp_path, 2), "--model", folder, "--output", store, *SHORT)
    done = run(*common, "--shard", "1/2", "--json")
    assert done.exit_code == 0, done.output
    assert done.stderr == "There is no shard for --shard 1/2, since 2 problems come to 1: a smaller --chunk makes more.\n"
    assert json.loads(done.stdout)["traces"] == 0
    assert run(*common, "--shard", "0/2").exit_code == 0
    shared = run(*common, "--shard", "1/2", "--json")
    assert json.loads(shared.stdout)["traces"] == 4  # what the others have sampled


def test_wrong_input_is_one_sentence_and_loses_nothing(run: Run, folder: Path, headless: Path, tmp_path: Path) -> None:
    source, store = problems(tmp_path, 2), tmp_path / "store"
    good = ("rollout", "--data", source, "--model", folder, "--output", store, *SHORT)
    assert run(*good).exit_code == 0
    before = untimed(store)
    for arguments, sentence in [
        (("rollout", "--output", store), "Give --task NAME, or a file of problems with --data, or both."),
        (("rollout", "--task", "gsm9k", "--output", store), "Unknown task 'gsm9k'"),
        (("rollout", "--data", tmp_path / "none.jsonl", "--output", store), "cannot be read: No such file or directory"),
        (("rollout", "--task", "gsm8k", "--output", store), "reads the publisher's train.jsonl"),
        (("rollout", "--task", "wordproblems", "--split", "dev", "--output", store), "Unknown split 'dev'"),
        ((*good, "--shard", "2/2"), "--shard '2/2' is no share"),
        ((*good, "--step-rule", "papr"), "Unknown step rule 'papr'"),
        ((*good, "--top-p", 0), "The sampling options: top_p:"),
        ((*good, "--model", headless), "has another head"),
        ((*good, "--temperature", 0.1), "has another sampling (temperature: 0.6 against 0.1)"),
        ((*good, "--dtype", "bfloat16"), 'has another dtype ("float32" against "bfloat16")'),
        ((*good, "--seed", 1), "now it would be 2 problems from 'p0' on with 2 traces each, seed 1"),
        ((*good, "--chunk", 1), "now it would be 1 problems"),
        ((*good, "--output", tmp_path), "holds other files and no rollouts: name another folder"),
        ((*good, "--output", source), "cannot be written: File exists"),
    ]:
        done = run(*arguments)
        assert done.exit_code == 2 and sentence in done.output and done.output.count("\n") == 1, done.output
    assert untimed(store) == before
    shard = Store.open(store).shards[0]
    shard.write_bytes(shard.read_bytes()[:100])
    done = run(*good)
    assert done.exit_code == 2 and "part-00000.parquet cannot be read" in done.output and done.output.count("\n") == 1
    assert shard.stat().st_size == 100


def start(store: Path, *options: Any) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    arguments = [str(argument) for argument in (*WORDS, "--output", store, *options)]
    command = [sys.executable, "-c", "from reflectgen.cli import main; main()", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for_shards(store: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until there are more than `count` shards, or the process has ended."""
    for _ in range(10_000):
        if process.poll() is not None or len(list(store.glob("part-*.parquet"))) > count:
            return
        time.sleep(0.01)
    raise AssertionError("no shard was written within a hundred seconds")


def kill_again_and_again(store: Path, kills: int, rng: Random) -> int:
    """Start, and kill at a random moment, `kills` times; return how many processes were still at work."""
    struck = 0
    for _ in range(kills):
        held = len(list(store.glob("part-*.parquet")))
        with start(store) as process:
            try:
                if rng.random() < 0.8:
                    wait_for_shards(store, held, process)
                time.sleep(rng.random() * 0.2)
                struck += process.poll() is None
            finally:
                process.kill()
    return struck


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_in_the_rows_of_a_run_that_was_not(run: Run, tmp_path: Path, kills: int) -> None:
    assert run(*WORDS, "--output", tmp_path / "whole").exit_code == 0
    assert kill_again_and_again(tmp_path / "killed", kills, Random(kills)) > 0
    done = run(*WORDS, "--output", tmp_path / "killed")
    assert done.exit_code == 0, done.output
    assert untimed(tmp_path / "killed") == untimed(tmp_path / "whole")


@pytest.mark.timeout(300)
@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_an_interrupt_says_how_to_go_on(tmp_path: Path) -> None:
    with start(tmp_path / "store", "--limit", 400) as process:
        try:
            wait_for_shards(tmp_path / "store", 0, process)
            process.send_signal(signal.SIGINT)
            told = process.communicate(timeout=100)[1].decode()
        finally:
            process.kill()
    assert process.returncode == 130
    kept = f"the shards that were written are kept in {tmp_path / 'store'}"
    assert told.strip() == f"Interrupted: {kept}, and the same command goes on from there."
