"""Labels that cost nothing: the trace's own outcome, and what a task knows of its steps."""

from __future__ import annotations

from collections.abc import Iterable

from reflectgen.errors import InputError, OptionError
from reflectgen.rollouts import Rollout
from reflectgen.tasks import Task
from reflectgen.train.labels.base import Decode, Key, Labels, step_texts, unlabelled
from reflectgen.train.labels.problems import Problems


def outcome(rollouts: Iterable[Rollout]) -> dict[Key, Labels]:
    """Every step of a right trace is 1, of a wrong one 0 (arXiv 2507.01951); unlabelled where no gold answer is known."""
    return {rollout.key: _outcome(rollout) for rollout in rollouts}


def _outcome(rollout: Rollout) -> Labels:
    return unlabelled(rollout) if rollout.correct is None else (float(rollout.correct),) * len(rollout.steps)


def oracle(rollouts: Iterable[Rollout], task: Task, problems: Problems, decode: Decode) -> dict[Key, Labels]:
    """1 for a step that the task's own judge calls right, else 0.

    Raises `OptionError` for a task without a judge, and `InputError` where a problem is not to be found.
    """
    if task.judge is None:
        raise OptionError(f"The task {task.name} cannot tell whether a step is right: choose another --source.")
    labels = {}
    for rollout in rollouts:
        verdicts = task.judge(problems.of(rollout), step_texts(rollout, decode))
        if len(verdicts) != len(rollout.steps):
            raise InputError(f"The judge of the task {task.name} gave {len(verdicts)} verdicts for {len(rollout.steps)} steps.")
        labels[rollout.key] = tuple(map(float, verdicts))
    return labels
