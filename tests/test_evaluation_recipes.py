"""Recipes of `reflectgen eval`: they parse, have the published figures, and the commands that the docs show for them work."""

import json
import re
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import tiny_folder
from typer.main import get_command
from typer.testing import CliRunner

from reflectgen.cli import app
from reflectgen.config import EvalConfig, load_recipe
from reflectgen.rollouts import Store
from reflectgen.tasks import TASKS

ROOT = Path(__file__).parent.parent
ROWS = Path(__file__).parent / "tasks" / "data"
FOUND = sorted((ROOT / "recipes").glob("*/eval-*.yaml"))
PUBLISHED = {
    "1.5b": ("44.0 / 53.1 / 57.9", "32.6 / 35.7 / 40.4", "24.2 / 26.6 / 28.1", "43.6 / 43.9 / 44.1"),
    "7b": ("60.7 / 66.3 / 70.2", "45.4 / 48.3 / 48.6", "41.7 / 44.1 / 44.4", "55.1 / 57.5 / 57.8"),
    "32b": ("82.0 / 84.2 / 85.2", "72.0 / 73.4 / 73.6", "63.8 / 64.0 / 64.2", "89.5 / 89.6 / 89.7"),
}
"""Size of MetaStone-S1 -> accuracy at low, medium and high effort on each of `BENCHMARKS`."""
BENCHMARKS = ("aime24", "aime25", "livecodebench", "ceval")
PAPERS = [ROOT / f"recipes/metastone-s1-{size}/eval-{task}.yaml" for size in PUBLISHED for task in BENCHMARKS]
DATA = {"aime24": "aime24.jsonl", "aime25": "aime25.jsonl", "ceval": "ceval.json", "humaneval": "humaneval.jsonl"}
"""Task -> rows of it for tests, where they are one file."""


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def recipe(path: Path) -> EvalConfig:
    config = load_recipe(EvalConfig, path)
    assert isinstance(config, EvalConfig)
    return config


def commands(text: str) -> list[list[str]]:
    """The commands of the fenced blocks, or of the comments, of a text."""
    return [shlex.split(line) for line in re.findall(r"^(?:#   )?(reflectgen .+)$", text, re.MULTILINE)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder.write(tmp_path_factory.mktemp("models") / "graded", context=4096)


@pytest.mark.parametrize("path", FOUND, ids=name)
def test_it_parses_names_its_task_and_shows_commands_of_its_own(path: Path) -> None:
    config = recipe(path)
    assert path.name == f"eval-{config.task}.yaml" and config.task in TASKS
    sample, report = commands(path.read_text(encoding="utf-8"))
    assert sample[:4] == ["reflectgen", "eval", "--config", f"recipes/{name(path)}"]
    assert report[:3] == ["reflectgen", "report", f"{sample[-1]}/rollouts-seed0"]


def test_every_key_is_an_option_of_the_command() -> None:
    command: Any = get_command(app)
    options = {parameter.name for parameter in command.commands["eval"].params}
    assert set(EvalConfig.model_fields) <= options


def test_the_papers_protocol_is_there_for_every_cell() -> None:
    assert set(PAPERS) <= set(FOUND)
    for path in PAPERS:
        config = recipe(path)
        assert config.model and config.model.casefold() == f"metastonetec/{path.parent.name}"
        assert (config.temperature, config.top_p, config.max_tokens) == (0.6, 0.95, 32768)
        assert config.strategy == ("best_of_n",) and config.select == ("sprm",) and config.k is not None
        assert config.k[:3] == (2, 8, 32) and max(config.k) == (64 if "aime" in path.name else 32)
        assert config.instruction is None  # the task's own prompt is the published one


def test_the_page_has_the_published_table_and_commands_for_every_cell() -> None:
    page = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    section = page.split("## The paper's table\n")[1].split("\n## ")[0]
    for size, figures in PUBLISHED.items():
        assert f"| {size.upper()} | {' | '.join(figures)} |" in section
    shown = [commands(path.read_text(encoding="utf-8")) for path in PAPERS]
    assert commands(section) == [command for pair in shown for command in pair]
    for path, figures in zip(PAPERS, (cell for row in PUBLISHED.values() for cell in row), strict=True):
        assert figures in path.read_text(encoding="utf-8"), path


def rows(task: str, folder: Path) -> Path:
    """Rows of a task for tests; GSM8K's and the folder of LiveCodeBench's files are written to `folder`."""
    if task in DATA:
        return ROWS / DATA[task]
    if task == "gsm8k":
        (folder / "test.jsonl").write_text('{"question": "1 + 1?", "answer": "Add them.\\n#### 2"}\n')
        return folder / "test.jsonl"
    for number, part in enumerate(("test", *(f"test{release}" for release in range(2, 6)))):
        text = (ROWS / "livecodebench" / f"{part}.jsonl").read_text(encoding="utf-8") if number < 2 else ""
        (folder / f"{part}.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("path", FOUND, ids=name)
def test_its_command_can_be_previewed(path: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = recipe(path)
    monkeypatch.chdir(ROOT)
    sample, _ = commands(path.read_text(encoding="utf-8"))
    beside = ["--dry-run", "--json", "--model", str(folder), "--data", str(rows(str(config.task), tmp_path))]
    done = CliRunner().invoke(app, [*sample[1:], *beside])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert config.k is not None
    assert told["task"] == config.task and told["most_tokens"] <= max(config.k) * told["problems"] * 4096


def test_the_documented_pair_of_commands_gives_the_cells(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample, report = commands(PAPERS[0].read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    beside = ["--model", str(folder), "--data", str(ROWS / DATA["aime24"]), "--max-tokens", "6", "--answer-tokens", "4"]
    done = CliRunner().invoke(app, [*sample[1:], *beside, "--device", "cpu"])
    assert done.exit_code == 0, done.output
    header = asdict(Store.open(tmp_path / report[2]).header)
    assert header["sampling"] == {"temperature": 0.6, "top_p": 0.95, "top_k": 0, "max_tokens": 6, "answer_tokens": 4}
    told = CliRunner().invoke(app, [*report[1:], "--json"])
    assert told.exit_code == 0, told.output
    assert all(f'"k": {k}' in told.stdout for k in (2, 8, 32))


@pytest.mark.parametrize("task", ["gsm8k", "humaneval", "ceval"])
def test_the_stores_that_are_kept_were_drawn_by_their_recipes(task: str) -> None:
    config = recipe(ROOT / f"recipes/qwen2.5-coder-0.5b/eval-{task}.yaml")
    store = Store.open(ROOT / "rollouts" / "qwen2.5-coder-0.5b" / {"gsm8k": "gsm8k-test"}.get(task, task))
    header = store.header
    asked = {key: getattr(config, key) for key in ("temperature", "top_p", "top_k", "max_tokens")}
    assert {key: header.sampling[key] for key in asked} == asked
    assert (config.task, config.dtype, config.step_rule) == (header.task, header.dtype, header.step_rule)
    assert (config.instruction or "") == header.prompt["instruction"]
    counts = {name: len(rows) for name, rows in store.problems().items()}
    assert set(counts.values()) == set(config.k or ()) and len(counts) == (config.limit or TASKS[task].size)


def test_what_is_given_beside_a_recipe_has_the_last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("task: wordproblems\nk: [2, 4]\nseeds: 3\ntemperature: 0\nstrategy: [best_of_n, esc]\nlimit: 5\n")
    given: dict[str, Any] = {}
    monkeypatch.setattr("reflectgen.commands.evaluation.run", lambda *all: given.update(all=all))
    monkeypatch.setattr("reflectgen.commands.ways.print_report", lambda report, as_json: None)
    done = CliRunner().invoke(app, ["eval", "-c", str(path), "-o", str(tmp_path / "out"), "--k", "8", "--top-p", "0.5"])
    assert done.exit_code == 0, done.output
    _, source, _, asked, sampling = given["all"]
    assert (source.task, source.limit, source.split) == ("wordproblems", 5, "test")
    assert (asked.ks, asked.seeds, [str(one) for one in asked.contenders]) == ([8], [0, 1, 2], ["best_of_n", "esc"])
    assert (sampling["temperature"], sampling["top_p"], sampling["top_k"]) == (0, 0.5, None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("temprature: 1", "temprature: Extra inputs are not permitted."),
        ("top_p: 2", "top_p: Input should be less than or equal to 1."),
        ("k: [2, 0]", "k.1: Input should be greater than or equal to 1."),
        ("k: many", "k.0: Input should be a valid integer"),
        ("trust_remote_code: true", "trust_remote_code: Extra inputs are not permitted."),
        ("- task", "holds no mapping of keys to values."),
    ],
)
def test_a_wrong_recipe_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    done = CliRunner().invoke(app, ["eval", "--config", str(path), "-o", str(tmp_path / "out")])
    assert done.exit_code == 2 and str(path) in done.output and sentence in done.output, done.output
    assert done.output.count("\n") == 1
