"""Stored traces graded by another head than the one that saw them written, without sampling them anew.

One pass of the backbone reads them (`reflectgen.train.harvest`), and what it reads is kept, so that the next head on the
same states takes moments. The new store has the old one's tokens, answers and outcomes; steps, step scores and trajectory
scores are the new head's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np

from reflectgen.errors import ModelError
from reflectgen.metrics import Floats
from reflectgen.model.fingerprint import head_fingerprint
from reflectgen.model.head import SPRMHead
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.rollouts import Rollout, Store, beside, rewrite
from reflectgen.scoring import aggregate, sigmoid
from reflectgen.steps import TokenTable
from reflectgen.train.extract import Extractor
from reflectgen.train.features import Reading, StepFeatures
from reflectgen.train.head_only import grade, inputs_of
from reflectgen.types import Step

Progress = Callable[[int, int], None]
"""Told how many traces are read, and of how many."""


def regrade(
    store: Store,
    model: ReflectiveModel,
    table: TokenTable,
    output: Path,
    *,
    data: Sequence[Path] = (),
    cache: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Store:
    """A store in `output` with the traces of `store`, graded by the head of `model`; `table` is its vocabulary.

    Traces that failed stay as they are. `data` are files that a compact store's task reads its problems from, `cache` is a
    folder for the states, by default one beside the store. Steps that `store` did not cut have the mean confidence of their
    trace. Raises `ModelError` where `model` has no head, `InputError` where the traces are another backbone's or `output`
    holds something else.
    """
    head = model.head
    if head is None:
        raise ModelError("The model has no SPRM head, so it grades nothing: name one with --head.")
    rule = head.config.step_rule
    graded = beside(store, output, replace(store.header, head=head_fingerprint(head), step_rule=rule))
    extractor = Extractor(
        backbone=model.backbone,
        table=table,
        readings=(Reading.of(head.config),),
        step_rule=rule,
        grade_end=head.config.grade_end,
        cache=cache,
    )
    features = extractor.features(store, data=data, progress=progress)
    found = _steps(head, features)
    rewrite(store, graded, lambda row: _graded(row, found.get(_key(store, row)), head.config.aggregate))
    return graded


def _key(store: Store, row: Rollout) -> tuple[str, int]:
    """A trace as features call it."""
    return f"{store.header.task}/{row.problem_id}", row.sample


def _steps(head: SPRMHead, features: StepFeatures) -> dict[tuple[str, int], tuple[Step, ...]]:
    """Problem and sample -> the graded steps of that trace."""
    logits = grade(deepcopy(head).cpu().float(), inputs_of(features, Reading.of(head.config)))  # (S,)
    return {
        (features.problems[features.problem[trace]], int(features.sample[trace])): _of_trace(features, logits, trace)
        for trace in range(len(features.problem))
    }


def _of_trace(features: StepFeatures, logits: Floats, trace: int) -> tuple[Step, ...]:
    """The steps of one trace; each reaches from its start to one past the token that ended it."""
    confidence = np.nan_to_num(features.step_confidence, nan=features.confidence[trace])
    return tuple(
        Step(
            text="",
            token_span=(int(features.start[step]), int(features.stop[step])),
            score=sigmoid(logits[step]),
            logit=float(logits[step]),
            logprob=float(features.step_logprob[step]),
            confidence=float(confidence[step]),
        )
        for step in features.steps[trace]
    )


def _graded(row: Rollout, steps: tuple[Step, ...] | None, name: str) -> Rollout:
    """The row with these steps; one that failed has none and stays as it is."""
    if steps is None:
        return row
    return replace(row, steps=steps, score=aggregate(name, [step.score for step in steps if step.score is not None]))
