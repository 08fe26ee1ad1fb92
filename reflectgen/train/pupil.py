"""What reinforcement learning begins with: a model with its head, its tokenizer, and the problems it is to learn on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reflectgen import marks, prompts, tasks, zoo
from reflectgen.config import GrpoConfig, HeadConfig, JointConfig, PromptConfig
from reflectgen.errors import CapacityError, InputError, ModelError
from reflectgen.model.checkpoint import backbone_source
from reflectgen.model.fingerprint import check_backbone
from reflectgen.model.head import SPRMHead
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.source import resolve
from reflectgen.model.tap import hidden_size
from reflectgen.model.tokenizer import load_tokenizer
from reflectgen.steps import Segmenter, TokenTable
from reflectgen.tasks import hub
from reflectgen.tasks.base import grade
from reflectgen.train.outcomes import Examiner
from reflectgen.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Pupil:
    """A model that is to learn."""

    backbone: Any
    """The causal LM in evaluation mode on the CPU; its name is a folder that it can be read from again."""
    head: SPRMHead | None
    """The head that learns with it; None where it learns alone."""
    tokenizer: Any
    prompt: PromptConfig
    """What the model's files say about prompts, or the recipe's."""

    @property
    def context(self) -> int:
        """Most tokens that it can read."""
        return ReflectiveModel(self.backbone).context


def load(config: GrpoConfig, dtype: str) -> Pupil:
    """Load the model that `config` names in `dtype`, with the head that a `JointConfig` asks for.

    Raises `ModelError` where something is missing, or the head does not fit the backbone.
    """
    name = zoo.path("tiny") if config.model == "tiny" else Path(config.model).expanduser()
    asked = config.head if isinstance(config, JointConfig) else None
    model = ReflectiveModel.from_pretrained(name, head=asked if isinstance(asked, str) else None, device="cpu", dtype=dtype)
    if model.tap is not None:
        model.tap.remove()
    tokenizer = load_tokenizer(name)
    backbone: Any = model.backbone
    backbone.config._name_or_path = str(_folder(name, config))
    prompt = config.prompt or model.prompt_config(tokenizer)
    head = _head(model, config) if isinstance(config, JointConfig) else None
    return Pupil(backbone=backbone, head=head, tokenizer=tokenizer, prompt=prompt)


def _folder(name: str | Path, config: GrpoConfig) -> Path:
    """Where the backbone can be read from again: the reference of the KL term is a second copy."""
    source = backbone_source(resolve(name))
    if source.gguf:
        raise ModelError(f"{config.model} is a .gguf file, which holds quantised weights: train from the model's own files.")
    return source.folder


def _head(model: ReflectiveModel, config: JointConfig) -> SPRMHead:
    """The head that learns: a fresh one, or a copy of the model's without what training makes untrue."""
    if isinstance(config.head, HeadConfig):
        check_backbone(config.head, model.backbone, allow_mismatch=False)
        return _fresh(config.head, config.seed)
    if model.head is None:
        return _fresh(HeadConfig.parse({"hidden_size": hidden_size(model.backbone)}, "The head"), config.seed)
    head = SPRMHead(model.head.config.model_copy(update={"blend": None}))
    head.load_state_dict(model.head.state_dict())
    return head


def _fresh(config: HeadConfig, seed: int) -> SPRMHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SPRMHead(config)


# -- what it learns on -------------------------------------------------------------------------------------------------


def examiner(config: GrpoConfig, pupil: Pupil) -> tuple[Examiner, PromptConfig]:
    """The task's problems and grader, and how its problems become prompts.

    Raises `InputError` where no problem can be learnt on, `CapacityError` where prompt and completion exceed the context.
    """
    task = tasks.named(config.task.name)
    task.ready()
    prompt = config.prompt or task.prompt(pupil.prompt)
    table = TokenTable(pupil.tokenizer)
    return (
        Examiner(
            task=task,
            problems=_problems(config, task, prompt, pupil),
            table=table,
            segmenter=_segmenter(pupil, prompt, table),
            ends=marks.end_tokens(pupil.backbone.generation_config, pupil.tokenizer) | marks.stop_tokens(prompt, table),
            offset=pupil.head.config.offset if pupil.head else -1,
            pool=pupil.head.config.pool if pupil.head else "token",
        ),
        prompt,
    )


def _problems(config: GrpoConfig, task: tasks.Task, prompt: PromptConfig, pupil: Pupil) -> list[Problem]:
    """The problems whose prompts are short enough."""
    asked, longest = config.task, config.rollouts.prompt_tokens
    problems = hub.problems(task, asked.path, asked.split, asked.limit, asked.seed)
    lengths = [len(prompts.encode(problem.text, prompt, pupil.tokenizer)) for problem in problems]
    kept = [problem for problem, length in zip(problems, lengths, strict=True) if length <= longest]
    if not kept:
        raise InputError(f"All {len(problems)} prompts are longer than rollouts.prompt_tokens = {longest}: raise it.")
    unknown = next((problem for problem in kept if not problem.answers), None) if task.grade is grade else None
    if unknown is not None:
        raise InputError(f"The problem '{unknown.id}' has no answer to be graded by: give every problem its answer.")
    needed = min(longest, max(lengths)) + config.rollouts.max_tokens
    if needed > pupil.context:
        raise CapacityError(
            f"A prompt and {config.rollouts.max_tokens} tokens of completion take up to {needed} tokens, but the model reads "
            f"{pupil.context}: lower rollouts.max_tokens or rollouts.prompt_tokens."
        )
    return kept


def _segmenter(pupil: Pupil, prompt: PromptConfig, table: TokenTable) -> Segmenter:
    """The head's step rule; without a head only the thinking tags matter."""
    if pupil.head is None:
        return Segmenter.bind("newline", prompt.tags, table)
    return marks.segmenter(pupil.head.config.step_rule, prompt, table, pupil.head.config.grade_end)
