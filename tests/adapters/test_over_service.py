"""Both harnesses as they are, by the commands of docs/harnesses.md, against a running service of the bundled model."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="needs the extra lm-eval")
pytest.importorskip("inspect_ai", reason="needs the extra inspect")

from adapters.harness_data import write_rows
from adapters.test_lm_eval import write_tasks
from serve.process import Served, process
from serve.rig import KEY

from reflectgen import answers

pytestmark = [pytest.mark.harness, pytest.mark.filterwarnings("default"), pytest.mark.timeout(300)]
DOCS = Path(__file__).parent.parent.parent / "docs" / "harnesses.md"
ADDRESS = "http://127.0.0.1:8000"
"""Of the service in the commands."""
PROGRAMS = {"lm_eval": "lm_eval", "inspect": "inspect_ai"}
"""Command -> its module."""
TASKS = """from inspect_ai import Task, task
from inspect_ai.dataset import Sample, json_dataset
from inspect_ai.scorer import pattern


def words(name):
    rows = json_dataset(f"{name}.jsonl", lambda row: Sample(input=row["question"], target=row["answer"]))
    return Task(dataset=rows, scorer=pattern(r"\\\\boxed\\{(\\d+)\\}"))


@task
def short():
    return words("short")


@task
def long():
    return words("long")
"""
"""The two tasks as the file task.py of Inspect's command."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    keys = tmp_path_factory.mktemp("service") / "keys"
    keys.write_text(KEY, encoding="utf-8")
    with process("--port", "0", "--api-key-file", str(keys)) as served:
        yield served


def run(
    folder: Path, served: Served, model: str, more: tuple[str, ...] = (), **changed: str
) -> subprocess.CompletedProcess[str]:
    """Run the command of the page that names `model`, with `more` at its end and parts of it `changed`."""
    (told,) = (block for block in DOCS.read_text(encoding="utf-8").split("```sh\n")[1:] if model in block.split("```")[0])
    line = (
        told.split("```")[0].replace("\\\n", "").splitlines()[-1].replace(ADDRESS, served.url).replace("KEY=none", f"KEY={KEY}")
    )
    for old, new in changed.items():
        assert old in line
        line = line.replace(old, new)
    words = shlex.split(line)
    program = next(index for index, word in enumerate(words) if word in PROGRAMS)
    given = dict(word.split("=") for word in words[:program])
    own = {"OPENAI_API_KEY": KEY, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", PROGRAMS[words[program]], *words[program + 1 :], *more],
        env={**os.environ, **given, **own},
        cwd=folder,
        capture_output=True,
        text=True,
    )


def searches(served: Served, route: str) -> list[dict[str, Any]]:
    """What the service has logged of requests to a route since it was last asked."""
    told = [json.loads(line) for line in served.lines]
    served.lines.clear()
    return [line for line in told if line.get("route") == route]


@pytest.mark.parametrize(
    ("route", "changed"),
    [
        ("/v1/chat/completions", {}),
        (
            "/v1/completions",
            {
                "local-chat-completions": "local-completions",
                "--apply_chat_template": "",
                "chat/completions": "completions,tokenizer_backend=None",
            },
        ),
    ],
)
def test_lm_evaluation_harness(tmp_path: Path, served: Served, route: str, changed: dict[str, str]) -> None:
    rows = write_rows(tmp_path)
    write_tasks(tmp_path, rows)
    more = ("--include_path", str(tmp_path), "--output_path", str(tmp_path / "out"), "--log_samples")
    done = run(tmp_path, served, "local-chat-completions", more, gsm8k="words_short,words_long", **changed)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(next((tmp_path / "out").rglob("results_*.json")).read_text())
    for name, lines in rows.items():
        samples = next((tmp_path / "out").rglob(f"samples_words_{name}_*.jsonl")).read_text().splitlines()
        given = {sample["doc"]["question"]: sample["resps"][0][0] for sample in map(json.loads, samples)}
        right = [answers.correct(answers.extract(given[line["question"]]), (line["answer"],)) for line in lines]
        assert all("\\boxed" in reply for reply in given.values())
        assert found["results"][f"words_{name}"]["exact_match,boxed"] == pytest.approx(sum(right) / len(lines))
    told = searches(served, route)
    assert [(line["status"], line["k"], line["effort"]) for line in told] == [(200, 8, "medium")] * 12


def test_likelihoods_are_refused_by_name(tmp_path: Path, served: Served) -> None:
    rows = write_rows(tmp_path, 1)
    write_tasks(tmp_path, rows, output_type="loglikelihood")
    changed = {
        "local-chat-completions": "local-completions",
        "--apply_chat_template": "",
        "chat/completions,num_concurrent=16": f"completions,max_retries=1,tokenizer={tiny()}",
        "gsm8k": "words_short",
    }
    done = run(tmp_path, served, "local-chat-completions", ("--include_path", str(tmp_path)), **changed)
    assert done.returncode != 0 and "The parameter 'echo' is not supported: leave it out." in done.stderr


def tiny() -> str:
    """The folder of the bundled model, whose tokenizer the harness wants for likelihoods."""
    from reflectgen import zoo

    return str(zoo.path("tiny"))


def test_inspect(tmp_path: Path, served: Served) -> None:
    rows = write_rows(tmp_path)
    (tmp_path / "task.py").write_text(TASKS, encoding="utf-8")
    more = ("--seed", "1", "--log-dir", "logs", "--log-format", "json", "--display", "plain")
    done = run(tmp_path, served, "openai-api", more)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    logs = {log["eval"]["task"]: log for log in (json.loads(path.read_text()) for path in (tmp_path / "logs").glob("*.json"))}
    assert set(logs) == set(rows)
    for log in logs.values():
        assert log["status"] == "success"
        right = []
        for sample in log["samples"]:
            reasoning, text = sample["output"]["choices"][0]["message"]["content"]
            assert reasoning["reasoning"] and "\\boxed" in text["text"]
            right.append(answers.correct(answers.extract(text["text"]), (sample["target"],)))
        assert log["results"]["scores"][0]["metrics"]["accuracy"]["value"] == pytest.approx(sum(right) / len(right))
    told = searches(served, "/v1/chat/completions")
    assert [(line["status"], line["k"], line["effort"]) for line in told] == [(200, 8, "medium")] * 12


def test_what_the_service_cannot_do_is_told_by_name(tmp_path: Path, served: Served) -> None:
    write_rows(tmp_path, 1)
    (tmp_path / "task.py").write_text(TASKS, encoding="utf-8")
    done = run(tmp_path, served, "openai-api", ("--display", "plain", "--frequency-penalty", "0.5", "--limit", "1"))
    assert "The parameter 'frequency_penalty' is not supported" in " ".join(done.stdout.split())
