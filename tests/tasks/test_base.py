from dataclasses import replace

from reflectgen.config import PromptConfig
from reflectgen.tasks.jsonl import TASK

OWN = PromptConfig(system="Be brief.", instruction="Think.", reply="So", stop="END")


def test_a_task_that_asks_nothing_leaves_the_models_prompt() -> None:
    assert TASK.prompt(OWN) == OWN


def test_what_a_task_asks_goes_over_the_models_own() -> None:
    task = replace(TASK, instruction="", reply="```\n", stop="```")
    assert task.prompt(OWN) == PromptConfig(system="Be brief.", instruction="", reply="```\n", stop="```")


def test_each_is_laid_over_alone() -> None:
    assert replace(TASK, stop="!").prompt(OWN) == OWN.model_copy(update={"stop": "!"})


def test_a_model_that_thinks_between_tags_writes_its_turn_itself() -> None:
    """A fence in its thinking must not end it."""
    thinking = OWN.model_copy(update={"tags": ("<think>", "</think>")})
    asked = replace(TASK, instruction="", reply="```\n", stop="```").prompt(thinking)
    assert asked == thinking.model_copy(update={"instruction": ""})


def test_what_a_task_says_is_taken_out_again_and_nothing_else() -> None:
    task = replace(TASK, instruction="Write code.", reply="```\n", stop="```")
    asked = task.prompt(OWN)
    assert task.without(asked, OWN) == OWN
    assert task.without(asked, PromptConfig(instruction="")) == PromptConfig(system="Be brief.", instruction="")
    said = asked.model_copy(update={"instruction": "My own words."})
    assert task.without(said, OWN) == OWN.model_copy(update={"instruction": "My own words."})
