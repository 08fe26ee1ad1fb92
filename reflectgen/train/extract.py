"""From stored traces to step features: cut, read, and put beside what the store knows of them.

States come from disk where a former pass left them (`reflectgen.train.harvest`), and then the backbone is not run.

Shapes: B traces, S graded steps, D the backbone's width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from statistics import fmean

import numpy as np
from torch import nn

from reflectgen import marks
from reflectgen.errors import InputError
from reflectgen.metrics import Floats
from reflectgen.model.fingerprint import fingerprint
from reflectgen.model.int8 import precision
from reflectgen.rollouts import Rollout, Store, read_shard
from reflectgen.steps import TokenTable
from reflectgen.train.features import Origin, Reading, States, StepFeatures, join
from reflectgen.train.harvest import Reader, read_states, states_file, write_states
from reflectgen.train.spans import Prompts, Trace, cut, prompt_config

Progress = Callable[[int, int], None]
"""Told how many traces are done, and of how many."""
Labels = Mapping[tuple[str, int], Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extractor:
    """Makes features of stores with one frozen backbone, one step rule and one set of readings."""

    backbone: nn.Module
    table: TokenTable
    """The backbone's vocabulary."""
    readings: tuple[Reading, ...]
    step_rule: str
    grade_end: bool = False
    name: str = ""
    """What people call the backbone."""
    off_policy: bool = False
    """Whether traces of another model are taken, too."""
    cache: Path | None = None
    """Folder for the states; None for one beside each store."""

    def features(
        self,
        store: Store,
        *,
        data: Sequence[Path] = (),
        labels: str | None = None,
        progress: Progress = lambda done, total: None,
    ) -> StepFeatures:
        """The graded steps of all traces of `store` that did not fail.

        `data` are files that a compact store's task reads its problems from, `labels` names step labels of the store.
        Raises `InputError` where the traces are another model's, without outcomes, or labelled under another rule.
        """
        origin = self._origin(store)
        shards = {path: [row for row in read_shard(path) if row.finish != "failed"] for path in store.shards}
        rows = [row for shard in shards.values() for row in shard]
        _check_outcomes(store, rows)
        prompts = Prompts(store, self.table.tokenizer, data)
        segmenter = marks.segmenter(origin.step_rule, origin.prompt, self.table, self.grade_end)
        cuts, folders = list[Trace](), list[Path]()
        for path, shard in shards.items():
            here = [cut(segmenter, prompts.of(row), row) for row in shard]
            folders.append(self._folder(store, path, origin, here))
            self._read(here, folders[-1], partial(_report, progress, len(cuts), len(rows)))
            cuts += here
        states = States(self.readings, lambda reading: read_states(folders, reading))
        return _assemble(origin, store, rows, cuts, states, store.labels(labels) if labels else {})

    def _origin(self, store: Store) -> Origin:
        """What the store's features are made with; raises `InputError` for the traces of another model."""
        own, theirs = fingerprint(self.backbone), store.header.backbone
        if own != theirs and not self.off_policy:
            raise InputError(
                f"The traces in {store.folder} were sampled by {store.header.model} ({theirs}), and this backbone is {own}: "
                "name that model, or pass --off-policy to train on another model's traces."
            )
        return Origin(
            backbone=own,
            backbone_name=self.name,
            step_rule=self.step_rule,
            grade_end=self.grade_end,
            prompt=prompt_config(store),
        )

    def _folder(self, store: Store, shard: Path, origin: Origin, traces: Sequence[Trace]) -> Path:
        """Where the states of a shard are kept, under a name made of all that they depend on: weights, tokens and steps."""
        digest = blake2b(f"{origin.backbone} {precision(self.backbone)}".encode(), digest_size=10)
        for trace in traces:
            digest.update(repr((trace.prompt, trace.completion, trace.spans)).encode())
        folder = self.cache or store.folder.with_name(f"{store.folder.name}-features")
        return folder / f"{shard.stem}-{digest.hexdigest()}"

    def _read(self, traces: Sequence[Trace], folder: Path, progress: Callable[[int], None]) -> None:
        """Compute the states that `folder` lacks."""
        missing = [reading for reading in self.readings if not states_file(folder, reading).exists()]
        if missing:
            with Reader(self.backbone, missing) as reader:
                write_states(folder, reader.read(traces, progress))
        progress(len(traces))


def _report(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _check_outcomes(store: Store, rows: Sequence[Rollout]) -> None:
    if not rows:
        raise InputError(f"The store {store.folder} holds no trace that did not fail: sample some with reflectgen rollout.")
    without = next((row for row in rows if row.correct is None), None)
    if without is not None:
        raise InputError(
            f"Problem '{without.problem_id}' in {store.folder} has no outcome, since no right answer is known: "
            "sample problems that have answers."
        )


def _assemble(
    origin: Origin, store: Store, rows: Sequence[Rollout], cuts: Sequence[Trace], states: States, labels: Labels
) -> StepFeatures:
    """The states beside what the store knows of the steps and the traces."""
    names = tuple(dict.fromkeys(f"{store.header.task}/{row.problem_id}" for row in rows))
    place = {name: index for index, name in enumerate(names)}
    known = [_known_of_steps(store, origin, row, trace, labels) for row, trace in zip(rows, cuts, strict=True)]
    columns = np.concatenate([np.zeros((0, 5)), *known])  # (S, 5)
    features = StepFeatures(
        origin=origin,
        states=states,
        trace=np.repeat(np.arange(len(cuts)), [len(trace.spans) for trace in cuts]),
        start=columns[:, 0].astype(np.int64),
        stop=columns[:, 1].astype(np.int64),
        step_logprob=columns[:, 2],
        step_confidence=columns[:, 3],
        labels=columns[:, 4],
        problem=np.array([place[f"{store.header.task}/{row.problem_id}"] for row in rows]),
        sample=np.array([row.sample for row in rows]),
        correct=np.array([row.correct is True for row in rows]),
        ended=np.array([row.finish == "stop" for row in rows]),
        logprob=np.array([row.logprob for row in rows]),
        confidence=np.array([row.confidence for row in rows]),
        tokens=np.array([row.tokens for row in rows]),
        answers=tuple(row.answer for row in rows),
        problems=names,
    )
    return join([features])


def _known_of_steps(store: Store, origin: Origin, row: Rollout, trace: Trace, labels: Labels) -> Floats:
    """Start, stop, log-prob, confidence and label of each step (steps, 5); NaN where the store does not know."""
    start = len(trace.prompt)
    spans = [(low - start, high - start) for low, high in trace.spans]
    stored = {step.token_span: step.confidence for step in row.steps}
    given = _labels(store, origin, row, {high for _, high in spans}, labels.get(row.key))
    known = [(*span, _logprob(row, *span), stored.get(span, math.nan), given.get(span[1], math.nan)) for span in spans]
    return np.array(known, dtype=np.float64).reshape(len(spans), 5)


def _labels(store: Store, origin: Origin, row: Rollout, ends: set[int], given: Sequence[float] | None) -> dict[int, float]:
    """End of a step -> its label; raises `InputError` where a step that was labelled does not end at any of `ends`."""
    if given is None:
        return {}
    if len(given) != len(row.steps):
        raise InputError(
            f"Problem '{row.problem_id}', sample {row.sample}, in {store.folder} has {len(row.steps)} steps and "
            f"{len(given)} labels: the store was sampled anew after it was labelled, so label it again."
        )
    found = {step.token_span[1]: label for step, label in zip(row.steps, given, strict=True) if not math.isnan(label)}
    if not ends >= set(found):
        raise InputError(
            f"The labels of problem '{row.problem_id}', sample {row.sample}, in {store.folder} are of steps that the rule "
            f"'{origin.step_rule}' does not cut: train under the rule of the store, '{store.header.step_rule}'."
        )
    return found


def _logprob(row: Rollout, low: int, high: int) -> float:
    """Mean log-prob of the tokens of a step that were drawn, not forced; 0 where none was."""
    forced = {index for span in row.forced_spans for index in range(*span)}
    drawn = [row.token_logprobs[index] for index in range(low, high) if index not in forced]
    return fmean(drawn) if drawn else 0.0
