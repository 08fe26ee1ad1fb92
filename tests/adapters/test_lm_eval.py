"""The model inside lm-evaluation-harness, by the harness's own command and its library, on two tasks."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("lm_eval", reason="needs the extra lm-eval")

from adapters.harness_data import write_rows

from reflectgen import answers
from reflectgen.adapters.lm_eval.model import ReflectiveLM
from reflectgen.errors import OptionError

pytestmark = [pytest.mark.harness, pytest.mark.filterwarnings("default")]
TASK = """task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: {output_type}
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["</s>"], do_sample: false}}
filter_list:
  - name: boxed
    filter:
      - {{function: regex, regex_pattern: '\\\\boxed\\{{(\\d+)\\}}'}}
      - {{function: take_first}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true}}
"""


def write_tasks(folder: Path, names: Iterable[str], output_type: str = "generate_until") -> None:
    """The tasks `words_NAME` over the files `NAME.jsonl` in a folder."""
    for name in names:
        task = TASK.format(name=f"words_{name}", file=folder / f"{name}.jsonl", output_type=output_type)
        (folder / f"{name}.yaml").write_text(task)


@pytest.fixture(scope="module")
def model() -> Any:
    return ReflectiveLM(pretrained="tiny", device="cpu", dtype="float32", k=4, select="weighted", batch_size=1)


def ask(text: str, **arguments: Any) -> SimpleNamespace:
    """A request as the harness makes it."""
    return SimpleNamespace(args=(text, arguments))


@pytest.mark.timeout(300)
def test_the_harness_runs_two_tasks_by_its_own_command(tmp_path: Path) -> None:
    rows = write_rows(tmp_path)
    write_tasks(tmp_path, rows)
    arguments = ["--model", "reflectgen", "--model_args", "pretrained=tiny,k=4,select=weighted", "--device", "cpu"]
    tasks = [
        "--tasks",
        "words_short,words_long",
        "--include_path",
        tmp_path,
        "--output_path",
        tmp_path / "out",
        "--log_samples",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "reflectgen.adapters.lm_eval", "run", *map(str, [*arguments, *tasks])],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(next((tmp_path / "out").rglob("results_*.json")).read_text())
    for name, lines in rows.items():
        samples = next((tmp_path / "out").rglob(f"samples_words_{name}_*.jsonl")).read_text().splitlines()
        given = {sample["doc"]["question"]: sample for sample in map(json.loads, samples)}
        right = [answers.correct(answers.extract(given[line["question"]]["resps"][0][0]), (line["answer"],)) for line in lines]
        assert found["results"][f"words_{name}"]["exact_match,boxed"] == pytest.approx(sum(right) / len(lines))


def test_replies_come_in_the_order_of_the_requests_and_end_where_a_task_says(model: Any, tmp_path: Path) -> None:
    questions = [row["question"] for row in write_rows(tmp_path, 3)["short"]]
    requests = [ask(questions[0]), ask(questions[1], max_gen_toks=2), ask(questions[2], until=["{"])]
    first, short, cut = model.generate_until(requests, disable_tqdm=True)
    assert "\\boxed{" in first
    assert len(model.reflector.engine.grammar.table.encode(short)) <= 2
    assert "{" not in cut and cut
    assert model.generate_until([requests[0]], disable_tqdm=True) == [first]


def test_what_a_search_cannot_say_is_refused(model: Any) -> None:
    for asked in (model.loglikelihood, model.loglikelihood_rolling):
        with pytest.raises(OptionError, match="take the tasks' generative form"):
            asked([ask("x")])
    with pytest.raises(OptionError, match="Unknown argument of the model 'colour'"):
        ReflectiveLM(pretrained="tiny", colour="red")


def test_a_chat_goes_through_the_models_own_template(model: Any) -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2 + 2?"},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": 'Mia has 3 pens. On Monday, "2" are added. How many pens?'},
    ]
    chat = model.apply_chat_template(turns)
    assert isinstance(chat, str) and chat.turns == turns
    alone = turns[-1:]
    told, whole, bare = model.generate_until(
        [ask(chat), ask(model.apply_chat_template(alone)), ask(alone[0]["content"])], disable_tqdm=True
    )
    expected = model.reflector.solve("?", prompt=model.reflector.chat(turns), **model.options)
    assert told == expected.chosen.reply and whole == bare
    with pytest.raises(OptionError, match="leave --apply_chat_template away"):
        model.apply_chat_template(turns, add_generation_prompt=False)


def test_it_is_named_by_its_backbone(model: Any) -> None:
    assert model.tokenizer_name.startswith("llama-")
