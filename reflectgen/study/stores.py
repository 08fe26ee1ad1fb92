"""The stores of a study: that they are there, that they are the policy's, and what is known of their steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reflectgen import prompts, tasks
from reflectgen.config import StudyConfig
from reflectgen.errors import InputError
from reflectgen.rollouts import Store
from reflectgen.study.backbones import Backbone
from reflectgen.study.oracle import ORACLE
from reflectgen.train import labels
from reflectgen.train.retrofit import check_problems
from reflectgen.train.spans import prompt_config


def open_stores(config: StudyConfig) -> tuple[list[Store], Store]:
    """The training stores and the test store; raises `InputError` where one is missing, or where they share problems."""
    if not config.rollouts or config.test is None:
        raise InputError("A study trains on one store and measures on another: give them with --rollouts and --test.")
    if config.test.resolve() in [folder.resolve() for folder in config.rollouts]:
        raise InputError(f"The store {config.test} is trained on, so nothing can be measured on it: give another with --test.")
    stores, test = [Store.open(folder) for folder in config.rollouts], Store.open(config.test)
    check_problems(stores, test)
    return stores, test


def check_policy(stores: Sequence[Store], policy: Backbone) -> None:
    """Raise `InputError` where the traces of a store are another model's."""
    for store in stores:
        if store.header.backbone != policy.fingerprint:
            raise InputError(
                f"The traces in {store.folder} were sampled by {store.header.model} ({store.header.backbone}), and the study's "
                f"model is {policy.name} ({policy.fingerprint}): name that one with --model."
            )


def judge_steps(store: Store, policy: Backbone, data: Sequence[Path]) -> None:
    """Write the labels `oracle` of a store whose task can judge its steps, unless they are there for all of its traces."""
    task = tasks.named(store.header.task)
    if task.judge is None or _labelled(store):
        return
    prompt = prompt_config(store)
    problems = labels.Problems(store, lambda text: prompts.encode(text, prompt, policy.table.tokenizer), data)  # type: ignore[arg-type]
    store.write_labels(ORACLE, labels.oracle(store.rollouts, task, problems, policy.table.decode))


def _labelled(store: Store) -> bool:
    """Whether every trace has its label; the store may have grown since they were made."""
    return ORACLE in store.label_names and store.labels(ORACLE).keys() >= {rollout.key for rollout in store.rollouts}
