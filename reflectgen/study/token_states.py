"""The states of all of a step's tokens, for heads that read more than one state of a step.

Shapes: S graded steps, N tokens of all of them, D the backbone's width.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reflectgen import marks
from reflectgen.metrics import Floats, Ints
from reflectgen.rollouts import Rollout
from reflectgen.study.bench import Bench
from reflectgen.study.variants import Variant
from reflectgen.train.features import Reading, StepFeatures
from reflectgen.train.harvest import Reader
from reflectgen.train.spans import Trace, cut, prompt_config

LONGEST = 48
"""Tokens of a step that are read: its last ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStates:
    """What is known of each token of each step, steps one after the other."""

    states: Tensor
    """(N, D), float16."""
    logprob: Tensor
    """Log-prob of each token (N,), in nats."""
    starts: Ints
    """First token of each step, and the end of the last (S + 1,)."""
    confidence: Tensor
    """Mean confidence of each step (S,), in nats; 0 everywhere where it is not known of every step."""

    def of_steps(self, steps: Sequence[int] | Ints) -> tuple[Tensor, Tensor]:
        """Inputs of some steps, padded at their end: (K, T, D + 2) float32, and where they are tokens (K, T) bool."""
        lengths = np.diff(self.starts)[steps]
        places = torch.from_numpy(self.starts[steps][:, None] + np.arange(lengths.max())[None])  # (K, T)
        real = torch.from_numpy(np.arange(lengths.max())[None] < lengths[:, None])  # (K, T)
        places = torch.where(real, places, 0)
        beside = torch.stack([self.logprob[places], self.confidence[steps][:, None].expand(places.shape)], dim=2)
        return torch.cat([self.states[places].float(), beside], dim=2), real


def read_tokens(bench: Bench, variant: Variant, folders: Sequence[Path], features: StepFeatures) -> TokenStates:
    """The tokens of all steps of `features`, which are of traces in `folders`, at the row's layer and offset."""
    traces = _traces(bench, variant, folders, features)
    head = variant.config.head
    reading = Reading(head.layer, head.norm, head.offset, "token")
    with Reader(bench.backbone(variant.reader).model, [reading]) as reader:
        states = reader.read([trace.tokens for trace in traces], lambda done: bench.progress("tokens", done, len(traces)))
    known = features.step_confidence if not np.isnan(features.step_confidence).any() else np.zeros(len(features.trace))
    return TokenStates(
        states=states[reading],
        logprob=torch.from_numpy(np.concatenate([trace.logprob for trace in traces])).float(),
        starts=np.cumsum([0, *(length for trace in traces for length in trace.lengths)]),
        confidence=torch.from_numpy(known).float(),
    )


@dataclass(frozen=True, slots=True)
class _Cut:
    """One trace, every token of its steps a step of its own."""

    tokens: Trace
    lengths: list[int]
    """Tokens of each step."""
    logprob: Floats


def _traces(bench: Bench, variant: Variant, folders: Sequence[Path], features: StepFeatures) -> list[_Cut]:
    """In the order of `features`; of traces with one key in several stores the first comes first, as `join` has them."""
    found: dict[tuple[str, int], list[_Cut]] = defaultdict(list)
    for folder in folders:
        store, reader = bench.store(folder, variant.reader), bench.backbone(variant.reader)
        prompts = bench.prompts(folder, variant.reader)
        segmenter = marks.segmenter(variant.step_rule, prompt_config(store), reader.table, variant.config.head.grade_end)
        for rollout in bench.rollouts(folder, variant.reader):
            trace = cut(segmenter, prompts.of(rollout), rollout)
            found[f"{store.header.task}/{rollout.problem_id}", rollout.sample].append(_token_by_token(trace, rollout))
    seen = Counter[tuple[str, int]]()
    ordered = []
    for problem, sample in zip(features.problem, features.sample, strict=True):
        key = (features.problems[problem], int(sample))
        ordered.append(found[key][seen[key]])
        seen[key] += 1
    return ordered


def _token_by_token(trace: Trace, rollout: Rollout) -> _Cut:
    places = [range(max(low, high - LONGEST), high) for low, high in trace.spans]
    spans = tuple((place, place + 1) for step in places for place in step)
    logprobs = np.array([rollout.token_logprobs[low - len(trace.prompt)] for low, _ in spans])
    return _Cut(Trace(trace.prompt, trace.completion, spans), [len(step) for step in places], logprobs)
