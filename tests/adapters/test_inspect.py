"""The model inside Inspect, on two tasks by its library, and what its provider makes of options and results."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs the extra inspect")

from adapters.harness_data import write_rows
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    ContentImage,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    get_model,
)
from inspect_ai.scorer import pattern

import reflectgen.adapters.inspect  # noqa: F401 - registers the provider where the package is not installed
from reflectgen import answers
from reflectgen.errors import OptionError

pytestmark = [pytest.mark.harness, pytest.mark.filterwarnings("default")]
ARGUMENTS: dict[str, Any] = {"device": "cpu", "dtype": "float32", "k": 4, "select": "weighted"}


def ask(text: str) -> list[ChatMessageUser]:
    return [ChatMessageUser(content=text)]


@pytest.mark.timeout(300)
def test_inspect_runs_two_tasks(tmp_path: Path) -> None:
    rows = write_rows(tmp_path)
    tasks = [
        Task(
            name=name,
            dataset=[Sample(input=line["question"], target=line["answer"]) for line in lines],
            scorer=pattern(r"\\boxed\{(\d+)\}"),
        )
        for name, lines in rows.items()
    ]
    logs = eval(tasks, model="reflectgen/tiny", model_args=ARGUMENTS, log_dir=str(tmp_path / "logs"), display="none")
    assert [log.status for log in logs] == ["success", "success"]
    for log in logs:
        assert log.samples is not None and log.results is not None
        right = [answers.correct(answers.extract(sample.output.completion), (str(sample.target),)) for sample in log.samples]
        assert log.results.scores[0].metrics["accuracy"].value == pytest.approx(sum(right) / len(right))


async def test_the_chosen_thinking_is_the_reasoning_and_all_branches_are_counted(tmp_path: Path) -> None:
    question = write_rows(tmp_path, 1)["short"][0]["question"]
    async with get_model("reflectgen/tiny", memoize=False, **ARGUMENTS) as model:
        output = await model.generate(ask(question), config=GenerateConfig(seed=3))
        again = await model.generate(ask(question), config=GenerateConfig(seed=3))
        brief = await model.generate(ask(question), config=GenerateConfig(max_tokens=2, reasoning_effort="low"))
        with pytest.raises(OptionError, match="One answer is chosen"):
            await model.generate(ask(question), config=GenerateConfig(num_choices=2))
    assert output.completion == again.completion and "boxed" in output.completion
    reasoning, text = output.message.content
    assert reasoning.type == "reasoning" and reasoning.reasoning and text.text == output.completion
    assert output.metadata is not None and output.metadata["branches"] == 4 and 0 < output.metadata["score"] < 1
    assert output.usage is not None and output.usage.reasoning_tokens is not None
    assert 0 < output.usage.output_tokens - output.usage.reasoning_tokens < 30
    assert brief.metadata is not None and brief.metadata["branches"] == 4  # k has the last word over an effort
    assert len(brief.completion) < len(output.completion)


async def test_a_conversation_goes_through_the_models_template_with_its_roles() -> None:
    said = ChatMessageAssistant(content=[ContentReasoning(reasoning="Hm."), ContentText(text="4")])
    talk = [ChatMessageSystem(content="Be brief."), *ask("2 + 2?"), said, *ask("And 3 more?"), *ask("Well?")]
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2 + 2?"},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": "And 3 more?\nWell?"},
    ]
    async with get_model("reflectgen/tiny", memoize=False, **ARGUMENTS) as model:
        output = await model.generate(talk)
        reflector: Any = model.api.reflector  # type: ignore[attr-defined]
        expected = await reflector.asolve("?", prompt=reflector.chat(turns), k=4, select="weighted")
        assert output.usage is not None and expected.chosen is not None
        assert output.completion == expected.chosen.reply
        assert output.usage.output_tokens == expected.cost.tokens_generated
        with pytest.raises(OptionError, match="a message holds 'tool'"):
            await model.generate([*talk, ChatMessageTool(content="5"), *ask("?")])
        with pytest.raises(OptionError, match="a message holds 'image'"):
            await model.generate([ChatMessageUser(content=[ContentImage(image="data:image/png;base64,AAAA")])])


def test_a_wrong_argument_is_one_sentence() -> None:
    with pytest.raises(OptionError, match="Unknown argument of the model 'colour'"):
        get_model("reflectgen/tiny", memoize=False, colour="red")
