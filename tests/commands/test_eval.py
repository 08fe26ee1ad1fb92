"""Comparing strategies from the command line: on a tiny random model, and what it says to mistakes before there is a model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
SHORT = ("--k", "2,4", "--max-tokens", 12)


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps({"problem": f"{n} + 1?", "id": f"p{n}", "answer": n + 1}) + "\n" for n in range(3)))
    return path


def test_a_grid_is_run_told_and_gone_on_with(run: Run, folder: Path, problems: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("eval", "--data", problems, "--model", folder, "-o", out, *SHORT, "--select", "sprm,majority", "--seeds", 2)
    done = run(*command, "--strategy", "best_of_n,esc:window=2", "--strategy", "beam:expand=2")
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    for told in ("Chosen by sprm", "Chosen by majority", "best_of_n", "esc: window=2", "beam: expand=2", "3 problems"):
        assert told in done.output
    files = {path.name: path.stat().st_mtime_ns for path in out.glob("*.jsonl")}
    assert len(files) == 3 * 2 * 2 * 2 and {path.name for path in out.glob("rollouts*")} == {"rollouts-seed0", "rollouts-seed1"}
    again = run(*command, "--strategy", "best_of_n", "--json")
    told = json.loads(again.output)
    assert len(told["entries"]) == 12 and told["missing"] == 0 and told["run"]["sampling"]["max_tokens"] == 12
    assert told["entries"][0]["seeds"] == [0, 1]
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.jsonl")} == files


def test_a_store_is_replayed_and_live_runs_are_timed(run: Run, folder: Path, problems: Path, tmp_path: Path) -> None:
    common = ("--data", problems, "--model", folder, "--max-tokens", 12)
    assert run("rollout", *common, "--k", 4, "--seed", 7, "-o", tmp_path / "store").exit_code == 0
    played = run("eval", *common, "--k", 4, "--rollouts", tmp_path / "store", "-o", tmp_path / "played", "--json")
    (entry,) = json.loads(played.output)["entries"]
    assert (entry["strategy"], entry["select"], entry["seeds"], entry["replayed"]) == ("best_of_n", "sprm", [7], True)
    live = run("eval", *common, "--k", 4, "--seeds", "7,", "--live", "-o", tmp_path / "live", "--json")
    (timed,) = json.loads(live.output)["entries"]
    assert timed["wall_seconds"]["estimate"] > 0 and entry["wall_seconds"] is None
    assert (timed["accuracy"], timed["tokens"]) == (entry["accuracy"], entry["tokens"])
    (machine,) = json.loads(live.output)["machines"]
    assert machine["cpu"] and machine["torch"] and machine["threads"] >= 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--strategy", "best_of"), "Unknown strategy 'best_of'"),
        (("--strategy", "pruned:rule=prefx"), "The settings of pruned: rule: Input should be"),
        (("--select", "sprm,spm"), "Unknown selector 'spm'"),
        (("--k", "2;8"), "--k '2;8' is no list of whole numbers: write it like 2,8,32."),
        (("--k", "8", "--budget", "4"), "A budget of 4 tokens is not one for each of 8 thinkings"),
        (("--k", "0"), "k must be at least 1"),
        (("--seeds", "0"), "names no seed"),
        (("--temperature", "-1"), "temperature"),
        (("--data", "none.jsonl"), "none.jsonl cannot be read"),
        (("--live", "--rollouts", "store"), "--live replays nothing, so --rollouts does not go with it"),
        (("--rollouts", "store"), "The folder store holds no rollouts"),
    ],
)
def test_mistakes_are_one_sentence_before_the_model_is_loaded(
    run: Run, problems: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[Any, ...], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reflectgen.commands.evaluation.open_model", lambda **given: pytest.fail("the model was loaded"))
    done = run("eval", "--data", problems, "-o", tmp_path / "out", *options)
    assert done.exit_code == 2 and sentence in done.output and done.output.count("\n") == 1, done.output
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_run_is_one_sentence(run: Run, folder: Path, problems: Path, tmp_path: Path) -> None:
    command = ("eval", "--data", problems, "--model", folder, "-o", tmp_path / "out", *SHORT)
    assert run(*command).exit_code == 0
    for options, sentence in [
        (("--temperature", 0.1), "holds a run with another sampling, temperature (0.6 against 0.1): name another."),
        (("--limit", 2), "holds a run with another problems, count (3 against 2): name another."),
        (("--k", 8), "has 4 thinkings of a problem, too few for k = 8: name another folder."),
    ]:
        done = run(*command, *options)
        assert done.exit_code == 2 and sentence in done.output and done.output.count("\n") == 1, done.output


def test_an_interrupt_says_how_to_go_on(
    run: Run, folder: Path, problems: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("reflectgen.evaluate.frontier.Evaluation.run", interrupted)
    done = run("eval", "--data", problems, "--model", folder, "-o", tmp_path / "out", *SHORT)
    kept = f"what was run so far is kept in {tmp_path / 'out'}"
    assert done.exit_code == 130 and done.output.strip() == f"Interrupted: {kept}, and the same command goes on from there."
