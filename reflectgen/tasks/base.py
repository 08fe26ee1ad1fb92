"""A task: where problems come from, under which licence, and how an answer to them is read and graded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reflectgen import answers
from reflectgen.config import PromptConfig
from reflectgen.errors import InputError
from reflectgen.types import Problem


class Loader(Protocol):
    """Reads or makes the problems of a task."""

    def __call__(self, path: Path | None, split: str, limit: int | None, seed: int) -> list[Problem]:
        """At most `limit` problems of `split`, from the file `path` where the task has one; `seed` where it makes them."""


def grade(answer: str | None, problem: Problem) -> bool:
    """Whether `answer` equals one of the problem's gold answers (`reflectgen.answers`)."""
    return answers.correct(answer, problem.answers)


def ready() -> None:
    """Nothing that grading needs can be missing."""


def missing(task: str, file: str, source: str) -> InputError:
    """The error for a task that was given no file: it names the one to give."""
    return InputError(f"The task {task} reads {file} from {source}: give the file.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """Where the publisher's files are on the Hub."""

    dataset: str
    """Name of the data set: `owner/name`."""
    files: Mapping[str, tuple[str, ...]]
    """Split -> patterns of its files within the data set."""
    other: tuple[str, ...] = ()
    """Patterns for every other split; empty where there is no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One benchmark or training task."""

    name: str
    source: str
    """Where the problems come from: authors, year, address."""
    licence: str
    load: Loader
    """Raises `InputError` naming the file and the line where a row is wrong."""
    extract: Callable[[str], str | None] = answers.extract
    """Reads the answer from a reply; None where there is none."""
    grade: Callable[[str | None, Problem], bool] = grade
    """Whether an answer is right."""
    ready: Callable[[], None] = ready
    """Raises the error that says what grading lacks on this machine; asked before anything is sampled."""
    instruction: str | None = None
    """What the model is asked to do beside the problem; None for the model's own instruction."""
    reply: str = ""
    """Text that begins the turn of a model without thinking tags, as part of the prompt; empty for the model's own."""
    stop: str = ""
    """A reply of such a model ends at the first token that contains this; empty for the model's own."""
    tested: bool = False
    """Whether every problem has tests, so that answers are graded without a gold one."""
    judge: Callable[[Problem, Sequence[str]], Sequence[bool]] | None = None
    """Whether each of a thinking's steps (texts) is right by itself; None where the task cannot tell."""
    remake: Callable[[str], Problem] | None = None
    """The problem of an id, where the task makes its problems; None where it reads them."""
    mutate: Callable[[Problem], str | None] | None = None
    """A wrong answer that is like the gold one, to be refused by `grade`; None for what `reflectgen.evaluate.gold` makes of a
    number or a formula. It gives None where it can make none."""
    hub: Hub | None = None
    """Where its rows are fetched from when no file is given; None where they are not."""
    size: int | None = None
    """Problems of it that are published with what grading needs; None where that depends on the file."""
    ran_on: str = ""
    """The publisher's rows that its reader and its grader were run on; empty where there were none."""
    unsolved: str = ""
    """Why its problems are not to be solved, and what is done with them: a sentence; empty where they are solved."""

    def grades(self, problem: Problem) -> bool:
        """Whether an answer to `problem` can be graded."""
        return self.tested or bool(problem.answers)

    def prompt(self, base: PromptConfig) -> PromptConfig:
        """How problems of this task are put to a model whose own prompt is `base`.

        A model that thinks between tags writes its whole turn itself: `reply` would stand before its thinking, and the first
        `stop` within the thinking would end it.
        """
        asked = {} if self.instruction is None else {"instruction": self.instruction}
        own = () if base.tags else (("reply", self.reply), ("stop", self.stop))
        begun = {name: value for name, value in own if value}
        return base.model_copy(update={**asked, **begun})

    def without(self, prompt: PromptConfig, base: PromptConfig) -> PromptConfig:
        """`prompt` without what this task has put into it: these fields as `base` has them.

        For a model whose traces are of this task, and which is to be asked other things as well.
        """
        own = {"instruction": self.instruction, "reply": self.reply, "stop": self.stop}
        mine = [name for name, value in own.items() if value is not None and value == getattr(prompt, name)]
        return prompt.model_copy(update={name: getattr(base, name) for name in mine})
