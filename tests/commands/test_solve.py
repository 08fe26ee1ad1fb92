import json
import re
from collections.abc import Callable
from pathlib import Path

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
