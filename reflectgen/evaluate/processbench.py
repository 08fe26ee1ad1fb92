"""How well a head finds the first wrong step of given solutions: ProcessBench's measure, with a threshold that it did not
choose.

Source: Zheng et al., arXiv 2412.06559. The first step whose score is below a threshold is called wrong; F1 is the harmonic
mean of two accuracies, over the solutions with an error and over those without (`reflectgen.metrics.first_error_f1`). As
there, the threshold is the one with the best F1 on one split (gsm8k); deviation: that split is not reported.

A solution is put before the model as its own thinking, a blank line behind each step. The head grades by its own step rule;
a given step has the lowest of the scores of what ends in it, and one in which nothing ends is called right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from reflectgen.errors import InputError
from reflectgen.metrics import NO_ERROR, Floats, Interval, Ints, first_error_accuracies, first_error_f1, interval
from reflectgen.prompts import BLANK_LINE
from reflectgen.reflector import GradedText, Reflector
from reflectgen.types import Problem

Observe = Callable[[int], None]
"""Told how many solutions have been graded."""


@dataclass(frozen=True, slots=True)
class Solutions:
    """Graded solutions of one split: B of them, padded to S steps."""

    scores: Floats
    """Score of each step (B, S); 1 behind the last one."""
    labels: Ints
    """Place of the first wrong step (B,), or `NO_ERROR`."""

    def found(self, threshold: float) -> Ints:
        """Place of the first step with a score below `threshold` (B,), or `NO_ERROR`."""
        low = self.scores < threshold
        return np.where(low.any(axis=1), low.argmax(axis=1), NO_ERROR)

    def f1(self, threshold: float) -> float:
        """First-error F1; NaN where all solutions have an error, or none has."""
        return first_error_f1(self.labels, self.found(threshold))

    def best_threshold(self) -> float:
        """The threshold of the best F1, of equals the lowest; raises `InputError` where all have an error, or none has."""
        if len(set((self.labels == NO_ERROR).tolist())) < 2:
            raise InputError("A threshold is chosen on solutions with an error and without: give more of them.")
        return float(max(np.unique(self.scores), key=self.f1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a head reaches on one split."""

    split: str
    solutions: int
    f1: Interval
    """First-error F1, with a 95 % bootstrap over solutions."""
    on_wrong: float
    """Share of the solutions with an error whose first wrong step is found exactly."""
    on_right: float
    """Share of the others in which none is found."""

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def grade(model: Reflector, problems: Sequence[Problem], observe: Observe = lambda graded: None) -> Solutions:
    """Grade the steps of the problems, as `reflectgen.tasks.processbench` reads them.

    Raises `ModelError` where the model has no head, and `CapacityError` for a solution that does not fit its context.
    """
    put = [_put(model, problem) for problem in problems]
    scores = np.ones((len(problems), max(len(problem.meta["steps"]) for problem in problems)))
    texts = [(prompt, opening + body) for prompt, opening, body in put]
    for number, (index, graded) in enumerate(model.score_texts(texts), start=1):
        steps = problems[index].meta["steps"]
        scores[index, : len(steps)] = list(_scores(steps, graded, put[index][2]))
        observe(number)
    return Solutions(scores, np.array([problem.meta["label"] for problem in problems]))


def measure(split: str, solutions: Solutions, threshold: float) -> Measure:
    """What the head reaches on `solutions` with a threshold that was chosen elsewhere."""
    found, labels = solutions.found(threshold), solutions.labels
    on_wrong, on_right = first_error_accuracies(labels, found)
    return Measure(
        split=split,
        solutions=len(labels),
        f1=interval(first_error_f1, labels, found),
        on_wrong=on_wrong,
        on_right=on_right,
    )


def _put(model: Reflector, problem: Problem) -> tuple[str, str, str]:
    """Prompt, the opening of the thinking where the prompt does not end with it, and the solution."""
    grammar = model.engine.grammar
    prompt = grammar.table.decode(model.encode(problem.text))
    tags = grammar.segmenter.tags
    opening = "" if tags is None or prompt.rstrip().endswith(tags.open.text) else tags.open.text
    body = "".join(step.strip() + BLANK_LINE for step in problem.meta["steps"])
    return prompt, opening, body


def _scores(steps: Sequence[str], graded: GradedText, body: str) -> Iterator[float]:
    """The score of each given step: the lowest of what ends in it, 1 where nothing does."""
    ends = list(accumulate(len(step.strip()) + len(BLANK_LINE) for step in steps))
    written = sum(len(step.text) for step in graded.steps)
    skipped = max(0, written - len(body))  # space before the solution that belongs to its first step
    places = [end - skipped for end in accumulate(len(step.text) for step in graded.steps)]
    for start, end in zip([0, *ends], ends, strict=False):
        inside = [step.score for step, place in zip(graded.steps, places, strict=True) if start < place <= end]
        yield min((score for score in inside if score is not None), default=1.0)
