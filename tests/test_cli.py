"""The command line as a whole: help, version, and what it says to every kind of mistake."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import tiny_folder
from typer.testing import CliRunner

import reflectgen
from reflectgen.cli import app

COMMANDS = (
    "solve",
    "score",
    "serve",
    "demo",
    "info",
    "import",
    "export",
    "rollout",
    "rollouts show",
    "rollouts check",
    "rollouts trace",
    "rollouts merge",
    "label",
    "eval",
    "report",
    "retrofit",
    "study",
    "train",
)


def run(*arguments: Any) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder.write(tmp_path_factory.mktemp("models") / "graded")


def test_help_takes_less_than_a_second_of_processor_time() -> None:
    command = [sys.executable, "-c", "from reflectgen.cli import main; main()", "--help"]
    best = float("inf")
    for _ in range(3):  # the first run may compile what it imports
        began = os.times()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        ended = os.times()
        best = min(best, ended.children_user + ended.children_system - began.children_user - began.children_system)
    assert best < 1.0
    assert all(command.split()[0] in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples_in_80_columns(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, text = run(*command.split(), "--help")
    assert code == 0
    assert f"reflectgen {command}" in text
    assert max(map(len, text.splitlines())) <= 80


def test_version() -> None:
    assert run("--version") == (0, f"reflectgen {reflectgen.__version__}\n")


def test_without_arguments_it_shows_what_there_is() -> None:
    assert "reflectgen demo" in run()[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--k", 0], "k must be at least 1, not 0"),
        (["--effort", "hgih"], "Unknown effort 'hgih': choose one of auto, high, low, medium. Did you mean 'high'?"),
        (["--strategy", "beem"], "Unknown strategy 'beem': choose one of"),
        (["--select", "sprn"], "Unknown selector 'sprn'"),
        (["--answer", "none"], "Unknown way to answer 'none'"),
        (["--select", "majority", "--answer", "chosen"], "Votes and abstention compare answers"),
        (["--abstain-below", 2], "abstain_below is a share of the votes"),
        (["--temperature", -1], "The sampling options: temperature:"),
        (["--top-p", 0], "The sampling options: top_p:"),
        (["--max-tokens", 0], "The options: max_tokens:"),
        (["--engine", "lokal"], "Unknown engine 'lokal'"),
        (["--device", "tpv"], "Unknown device 'tpv'"),
        (["--dtype", "int3"], "Unknown dtype 'int3'"),
        (["--kv-budget", "many"], "--kv-budget 'many' is no size: write it like 512M or 4G."),
        (["--input", "x.jsonl"], "Give either a problem"),
    ],
)
def test_wrong_options_of_solve(folder: Path, arguments: list[Any], sentence: str) -> None:
    code, text = run("solve", "Why?", "--model", folder, *arguments)
    assert code == 2
    assert text.startswith(sentence) and text.count("\n") == 1


def test_wrong_prompts(folder: Path) -> None:
    code, text = run("solve", " ", "--model", folder)
    assert (code, text) == (2, "The prompt is empty: write the problem to solve.\n")
    code, text = run("solve", "?" * 300, "--model", folder)
    assert code == 2 and text.startswith("The prompt has 302 tokens, the model's context 256: shorten the prompt.")


def test_wrong_models(folder: Path, tmp_path: Path) -> None:
    broken = tiny_folder.write(tmp_path / "broken")
    content = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(content[: len(content) // 2])
    broken_head = tiny_folder.write(tmp_path / "broken_head")
    (broken_head / "sprm_head.safetensors").write_bytes(b"no tensors")
    other = tiny_folder.write(tmp_path / "other", head=False, seed=1)
    (tmp_path / "empty").mkdir()
    for arguments, sentence in [
        (["--model", tmp_path / "none"], "could be found"),
        (["--model", tmp_path / "empty"], "holds neither a model"),
        (["--model", broken], "cannot be loaded"),
        (["--model", broken_head], "is no readable safetensors file"),
        (["--model", folder, "--head", tmp_path / "none"], "could be found"),
        (["--model", other, "--head", folder], "The head was trained on the backbone"),
        (["--model", other, "--select", "sprm"], "needs an SPRM head"),
    ]:
        code, text = run("solve", "Why?", *arguments)
        assert code == 2 and sentence in text and text.count("\n") == 1, text


def test_wrong_files(folder: Path, tmp_path: Path) -> None:
    good, cut, bare = tmp_path / "good.jsonl", tmp_path / "cut.jsonl", tmp_path / "bare.jsonl"
    good.write_text('{"problem": "1?"}\n')
    cut.write_text('{"problem": "1?"}\n{"problem": "2?", "id"')
    bare.write_text('{"text": "1?"}\n')
    for source, output, sentence in [
        (tmp_path / "none.jsonl", tmp_path / "out.jsonl", "cannot be read: No such file"),
        (cut, tmp_path / "out.jsonl", "cut.jsonl, line 2: not valid JSON"),
        (bare, tmp_path / "out.jsonl", "bare.jsonl, line 1: the field 'problem' is missing"),
        (good, tmp_path / "none" / "out.jsonl", "there is no folder"),
        (good, tmp_path, "it is a folder"),
    ]:
        code, text = run("solve", "--input", source, "--output", output, "--model", folder)
        assert code == 2 and sentence in text and text.count("\n") == 1, text
    assert run("solve", "--input", good, "--model", folder)[1].startswith("Give --output FILE as well")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare.jsonl", "cut.jsonl", "good.jsonl"]


def test_wrong_presets_are_told_before_the_model_is_loaded(tmp_path: Path) -> None:
    code, text = run("score", "--input", tmp_path / "x", "--output", tmp_path / "y", "--preset", "papr")
    assert code == 2 and text.startswith("Unknown step rule 'papr'") and "Did you mean 'paper'?" in text


def test_wrong_recipes(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    assert "cannot be read" in run("train", recipe)[1]
    recipe.write_text("sedd: 1")
    code, text = run("train", recipe)
    assert code == 2 and "recipe.yaml" in text and text.count("\n") == 1


def test_what_typer_itself_refuses_is_no_traceback() -> None:
    for arguments in (["solve", "--k", "x"], ["slove"], ["score"]):
        code, text = run(*arguments)
        assert code == 2 and "Traceback" not in text


def test_an_interrupt_ends_with_130_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("reflectgen.commands.live"), "load", interrupted)
    assert run("solve", "Why?") == (130, "Interrupted: nothing was written.\n")
