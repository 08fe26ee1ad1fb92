import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
SHORT = ("--k", 3, "--max-tokens", 40)


def test_a_problem_gives_a_table_the_graded_thinking_and_the_answer(run: Run, folder: Path) -> None:
    done = run("solve", "What is 2 + 2?", "--model", folder, *SHORT)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].split() == ["branch", "answer", "score", "log-prob", "steps", "tokens", "end"]
    assert sum(line.startswith("→") for line in lines) == 1
    assert "sprm, 3 thinkings, votes" in done.output and "tokens/s" in done.output
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.output


def test_json_holds_everything(run: Run, folder: Path) -> None:
    done = run("solve", "What is 2 + 2?", "--model", folder, "--json", "--seed", 3, *SHORT)
    result = json.loads(done.output)
    assert (result["problem"]["text"], result["select"], result["seed"]) == ("What is 2 + 2?", "sprm", 3)
    assert len(result["trajectories"]) == len(result["choice"]["values"]) == 3
    assert result["cost"]["tokens_generated"] > sum(one["tokens"] for one in result["trajectories"])


def test_a_model_without_a_head_votes(run: Run, headless: Path) -> None:
    done = run("solve", "What is 2 + 2?", "--model", headless, *SHORT)
    assert done.exit_code == 0 and "majority, 3 thinkings" in done.output


@pytest.mark.parametrize("name", ["sprm", "weighted", "blend"])
def test_selecting_by_scores_needs_a_head(run: Run, headless: Path, name: str) -> None:
    done = run("solve", "Why?", "--model", headless, "--select", name, *SHORT)
    assert done.exit_code == 2
    assert done.output.strip() == f"The selector '{name}' needs an SPRM head, and this model has none: give it one with --head."


def test_a_prompt_longer_than_the_context_is_one_sentence(run: Run, folder: Path) -> None:
    done = run("solve", "Why? " * 300, "--model", folder, *SHORT)
    assert done.exit_code == 2
    assert re.fullmatch(r"The prompt has \d+ tokens, the model's context 256: shorten the prompt\.", done.output.strip())


def test_a_strategy_is_set_and_told_and_its_tree_drawn(run: Run, folder: Path) -> None:
    done = run(
        "solve", "Why?", "--model", folder, "--strategy", "beam", "--set", "expand=2", "--tree", "--k", 4, "--max-tokens", 40
    )
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert re.fullmatch(r"beam: \d+ branches, [\d,]+ tokens", lines[0])
    assert lines[1].startswith("├─ ") and sum("→" in line for line in lines) == 1
    assert "(beam, sprm, " in done.output
    assert max(map(len, lines)) <= 80


def test_json_holds_the_trace_of_the_search(run: Run, folder: Path) -> None:
    done = run("solve", "Why?", "--model", folder, "--json", "--strategy", "pruned", "--set", "keep=.25", *SHORT)
    result = json.loads(done.output)
    assert result["strategy"] == "pruned"
    assert [event["what"] for event in result["trace"]][:3] == ["started"] * 3
    assert set(result["trace"][0]) == {"branch", "what", "tokens", "step", "why"}


def test_efforts_of_ones_own_stand_beside_the_packages_and_may_take_their_names(run: Run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "efforts.yaml"
    file.write_text(
        "efforts:\n  low: {k: 3, max_tokens: 20}\n  quick: {k: 4, strategy: esc, settings: {window: 2}, budget: 90}\n"
    )
    own = ("solve", "Why?", "--model", folder, "--efforts", file, "--json", "--effort")
    low, quick, packages = (json.loads(run(*own, name, "--max-tokens", 20).output) for name in ("low", "quick", "medium"))
    assert (len(low["trajectories"]), low["strategy"]) == (3, "best_of_n")
    assert quick["strategy"] == "esc" and quick["cost"]["tokens_generated"] <= 90
    assert len(packages["trajectories"]) == 8


def test_the_effort_auto_adds_thinkings_as_they_are_needed(run: Run, folder: Path) -> None:
    done = run("solve", "Why?", "--model", folder, "--effort", "auto", *SHORT)
    assert done.exit_code == 0 and "(adaptive, weighted, 3 thinkings, " in done.output


def test_the_strategy_auto_says_what_it_chose_and_why(run: Run, folder: Path) -> None:
    done = run("solve", "Why?", "--model", folder, "--strategy", "auto", *SHORT)
    assert done.exit_code == 0 and "Note: The strategy is beam: the model has 0.0" in done.output


FAULTS = {
    ("--strategy", "baem"): "Unknown strategy 'baem': choose one of adaptive, .* Did you mean 'beam'\\?",
    ("--strategy", "beam", "--set", "width=3"): "The settings of beam: width: .*",
    ("--strategy", "beam", "--set", "expand=1"): "The settings of beam: expand: .* greater than or equal to 2\\.",
    ("--set", "keep=.5"): "The settings of best_of_n: keep: .*",
    ("--set", "keep"): "--set 'keep' is not of the form NAME=VALUE\\.",
    ("--set", "rule=[halving"): "--set 'rule=\\[halving' gives no YAML after its '=': put the value in quotes\\.",
    ("--strategy", "auto", "--set", "keep=.5"): "The strategy auto chooses for itself, so it takes no settings: name .*",
    ("--budget", 3): "A budget of 3 tokens is not one for each of 8 thinkings: give more\\.",
    ("--budget", 0): "The options: budget: .*",
    ("--strategy", "esc", "--answer", "chosen"): "The strategy esc compares answers, .*",
    ("--effort", "heigh"): "Unknown effort 'heigh': choose one of auto, high, low, medium\\. Did you mean 'high'\\?",
    ("--tree", "--json"): "--tree does not go with --json, which holds the whole search in any case: leave it out\\.",
}


@pytest.mark.parametrize("arguments", FAULTS, ids=lambda one: " ".join(map(str, one)))
def test_what_is_wrong_is_one_sentence_before_a_model_is_loaded(run: Run, arguments: tuple[Any, ...]) -> None:
    done = run("solve", "Why?", "--model", "./nowhere", *arguments)
    assert done.exit_code == 2
    assert re.fullmatch(FAULTS[arguments], done.output.strip())


def test_wrong_files_of_efforts_are_one_sentence(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "efforts.yaml"
    asked = ("solve", "Why?", "--model", "./nowhere", "--efforts", file, "--effort", "quick")
    assert "cannot be read" in run(*asked).output
    file.write_text("efforts: {slow: {k: 64}}")
    assert "Unknown effort 'quick': choose one of auto, high, low, medium, slow." in run(*asked).output
    file.write_text("efforts: {quick: {k: 0}}")
    done = run(*asked)
    assert done.exit_code == 2 and f"{file}: efforts.quick.k: " in done.output.replace("\n", "")
