"""How a row comes to grade steps: a table of methods, each from a row to a configuration and a way to grade.

Shapes: S graded steps, D the backbone's width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor, nn

from reflectgen.config import HeadConfig
from reflectgen.metrics import Floats
from reflectgen.model.head import SPRMHead
from reflectgen.study import probe
from reflectgen.study.bench import Bench, Parts
from reflectgen.study.token_states import read_tokens
from reflectgen.study.variants import Variant
from reflectgen.train.features import StepFeatures
from reflectgen.train.head_only import Build, Columns, configure, fit, grade, inputs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Grader:
    """What a row grades with."""

    config: HeadConfig
    """Its aggregate is how the head was trained."""
    validation: Floats
    """Logits of the validation part's steps (S,)."""
    test: Floats
    """Logits of the test traces' steps (S,)."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What is worth telling of its training, as JSON."""


class Linear(nn.Module):
    """A linear probe."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.down = nn.Linear(config.hidden_size, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Logits of steps: (..., D) -> (...)."""
        logits: Tensor = self.down(features.float()).squeeze(-1)
        return logits


def _head(bench: Bench, variant: Variant, parts: Parts) -> Grader:
    return _fitted(bench, variant, parts, SPRMHead, None)


def _linear(bench: Bench, variant: Variant, parts: Parts) -> Grader:
    return _fitted(bench, variant, parts, Linear, None)


def _logprobs(bench: Bench, variant: Variant, parts: Parts) -> Grader:
    """The paper's head with each step's mean log-prob, and its confidence where that is known of all, beside the state."""
    every = (parts.train, parts.validation, bench.test(variant))
    confident = not any(np.isnan(features.step_confidence).any() for features in every)

    def columns(features: StepFeatures) -> Floats:
        known = [features.step_logprob, features.step_confidence] if confident else [features.step_logprob]
        return np.stack(known, axis=1)

    return _fitted(bench, variant, parts, SPRMHead, columns)


def _fitted(bench: Bench, variant: Variant, parts: Parts, build: Build, columns: Columns | None) -> Grader:
    found = fit(parts.train, parts.validation, variant.config, build=build, columns=columns)
    graded = [grade(found.head, inputs_of(part, variant.reading, columns)) for part in (parts.validation, bench.test(variant))]
    return Grader(
        config=found.config,
        validation=graded[0],
        test=graded[1],
        facts={
            "parameters": size(found.head),
            "epochs": [training.epoch for training in found.trainings],
            "validation_auc_within": float(np.mean([training.auc_within for training in found.trainings])),
        },
    )


def _tokens(bench: Bench, variant: Variant, parts: Parts) -> Grader:
    """The probe over all of a step's tokens."""
    train, validation = (
        probe.Known(part, read_tokens(bench, variant, variant.stores, part)) for part in (parts.train, parts.validation)
    )
    trained = probe.train(train, validation, variant.config)
    test = read_tokens(bench, variant, [bench.test_store.folder], bench.test(variant))
    return Grader(
        config=configure(variant.config, parts.train.origin, bench.backbone(variant.reader).width),
        validation=probe.grade(trained, validation.tokens),
        test=probe.grade(trained, test),
        facts={"parameters": size(trained)},
    )


def size(module: nn.Module) -> int:
    """Number of its parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


METHODS: dict[str, Callable[[Bench, Variant, Parts], Grader]] = {
    "head": _head,
    "linear": _linear,
    "logprobs": _logprobs,
    "tokens": _tokens,
}
"""Name -> how a row's head is trained and grades the test traces."""
