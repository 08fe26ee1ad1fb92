"""What a row says of the test traces: all that its figures are made of, small enough for a line of a log.

Shapes: B traces.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from reflectgen.config import Blend, HeadConfig
from reflectgen.metrics import Floats, Ints
from reflectgen.scoring import EPS
from reflectgen.study.bench import Bench, Parts
from reflectgen.study.finished import finished_head
from reflectgen.study.methods import METHODS, Grader, size
from reflectgen.study.oracle import Oracle, best_threshold, flagged
from reflectgen.study.variants import Variant
from reflectgen.train.calibration import trace_scores
from reflectgen.train.features import StepFeatures
from reflectgen.train.head_only import calibrate, grade, inputs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Grades:
    """Of one row."""

    scores: Floats
    """Trajectory scores (B,), in [0, 1]."""
    blend: Blend
    """Scales of the blend."""
    first_errors: Ints | None
    """Place of the first step that it flags as wrong (B,), or `metrics.NO_ERROR`; None where no oracle knows the steps."""
    facts: Mapping[str, Any]
    """What is worth telling of its training and its cost."""

    @classmethod
    def of(
        cls, config: HeadConfig, logits: Floats, test: StepFeatures, first_errors: Ints | None, facts: Mapping[str, Any]
    ) -> Self:
        """From the logits of the test traces' steps (S,), calibrated as `config` says.

        Without stored scales both terms of the blend are standardised over the test traces, which needs no outcomes.
        """
        scores = trace_scores(logits, test.steps, config.aggregate, config.temperature)
        blend = config.blend or _scales(scores, test.logprob)
        return cls(scores=scores, blend=blend, first_errors=first_errors, facts=facts)

    def encode(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "scores": self.scores.tolist(),
            "blend": self.blend.model_dump(mode="json"),
            "first_errors": None if self.first_errors is None else self.first_errors.tolist(),
            "facts": dict(self.facts),
        }

    @classmethod
    def decode(cls, values: Mapping[str, Any]) -> Self:
        """From JSON."""
        found = values["first_errors"]
        return cls(
            scores=np.array(values["scores"], dtype=np.float64),
            blend=Blend(**values["blend"]),
            first_errors=None if found is None else np.array(found, dtype=np.int64),
            facts=values["facts"],
        )


def _scales(scores: Floats, logprobs: Floats) -> Blend:
    logs = np.log(scores.clip(EPS))
    return Blend(
        score_mean=float(logs.mean()),
        score_std=float(logs.std()) or 1.0,
        logprob_mean=float(logprobs.mean()),
        logprob_std=float(logprobs.std()) or 1.0,
    )


@dataclass(kw_only=True)
class Examiner:
    """Trains the heads of rows and grades the test traces with them; rows that share a training share its head."""

    bench: Bench
    oracles: tuple[Oracle, Oracle] | None
    """Of the training and of the test traces; None where either is missing."""
    _trained: dict[Variant, tuple[Parts, Grader]] = field(default_factory=dict)

    def grades(self, variant: Variant) -> Grades:
        """What a row says of the test traces. Raises a `ReflectgenError` where the row cannot be made from what is given."""
        began = time.perf_counter()
        made = self._of_finished(variant) if variant.finished else self._of_training(variant)
        cost = {"tokens_reread": self.bench.reread(variant.reader)} if variant.reader else {}
        seconds = round(time.perf_counter() - began, 1)
        return replace(made, facts={**made.facts, **cost, "seconds": seconds})

    def _of_training(self, variant: Variant) -> Grades:
        parts, grader = self._train(variant)
        own = grader.config.aggregate
        asked = grader.config.model_copy(update={"aggregate": variant.regrade or own})
        config = calibrate(asked, parts.validation, grader.validation)
        test = self.bench.test(variant)
        return Grades.of(config, grader.test, test, self._first_errors(parts, grader, test), grader.facts)

    def _of_finished(self, variant: Variant) -> Grades:
        head, test = finished_head(self.bench, variant), self.bench.test(variant)
        logits = grade(head, inputs_of(test, variant.reading))  # calibrated, as a finished head's are
        return Grades.of(head.config.model_copy(update={"temperature": 1.0}), logits, test, None, {"parameters": size(head)})

    def _train(self, variant: Variant) -> tuple[Parts, Grader]:
        key = variant.training
        if key not in self._trained:
            parts = self.bench.parts(variant)
            self._trained[key] = parts, METHODS[variant.method](self.bench, variant, parts)
        return self._trained[key]

    def _first_errors(self, parts: Parts, grader: Grader, test: StepFeatures) -> Ints | None:
        """With the threshold that does best on the validation part."""
        if self.oracles is None or self.oracles[1].first_errors(test) is None:
            return None
        known = self.oracles[0].first_errors(parts.validation)
        if known is None:
            return None
        return flagged(grader.test, test, best_threshold(grader.validation, parts.validation, known))
