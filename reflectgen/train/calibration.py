"""Calibration on held-out traces: the temperature that makes scores probabilities, and the scales of the blend.

Shapes: P problems, B traces, S graded steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from reflectgen import metrics
from reflectgen.config import Blend
from reflectgen.metrics import Bools, Floats, Ints
from reflectgen.scoring import EPS, aggregate

TEMPERATURES = (0.05, 20.0)
"""The range in which a temperature is looked for."""
GOLDEN = (math.sqrt(5) - 1) / 2
WEIGHTS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""The weights of the log-prob term that are tried."""


def trace_scores(logits: Floats, steps: Sequence[Ints], name: str, temperature: float = 1.0) -> Floats:
    """Trajectory scores (B,) from step logits (S,) under the aggregate `name`; `steps` are those of each trace (B)."""
    scores = 0.5 * (1 + np.tanh(logits.astype(np.float64) / (2 * temperature)))  # sigmoid, without overflow
    return np.array([aggregate(name, scores[rows].tolist()) for rows in steps], dtype=np.float64)


def fit_temperature(logits: Floats, steps: Sequence[Ints], correct: Bools, name: str) -> float:
    """The temperature T that makes trajectory scores the best forecasts of the traces' outcomes (B,).

    It minimises -mean(y log S_T + (1 - y) log(1 - S_T)), where S_T aggregates sigmoid(logit / T) over a trace's steps: the
    outcome is known of a trace, not of its steps. Golden-section search on log T, to 1e-3. Source of temperature scaling:
    Guo et al., arXiv 1706.04599, who fit it on single predictions.
    """

    def loss(log_temperature: float) -> float:
        scores = trace_scores(logits, steps, name, math.exp(log_temperature)).clip(EPS, 1 - EPS)
        return float(-np.where(correct, np.log(scores), np.log1p(-scores)).mean())

    low, high = map(math.log, TEMPERATURES)
    return math.exp(minimise(loss, low, high))


def minimise(function: Callable[[float], float], low: float, high: float, tolerance: float = 1e-3) -> float:
    """Where a function with one minimum between `low` and `high` has it: golden-section search."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > tolerance:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = function(right)
    return (low + high) / 2


def fit_blend(scores: Floats, logprobs: Floats, correct: Bools, problems: Sequence[Ints]) -> Blend:
    """Scales of the blend from held-out traces, each (B,); `problems` are the traces of each problem (P).

    The weight is the one of `WEIGHTS` with the best mean AUC within problems, among those that are clearly better than 1:
    the 95 % interval of their gain, resampled over problems, lies above 0. Where none is, it is 1.
    """
    logs = np.log(scores.clip(EPS))
    scales = Blend(
        score_mean=float(logs.mean()),
        score_std=float(logs.std()) or 1.0,
        logprob_mean=float(logprobs.mean()),
        logprob_std=float(logprobs.std()) or 1.0,
    )
    score = (logs - scales.score_mean) / scales.score_std
    logprob = (logprobs - scales.logprob_mean) / scales.logprob_std
    found = {weight: auc_by_problem(correct, score + weight * logprob, problems) for weight in WEIGHTS}
    clear = [weight for weight in WEIGHTS if metrics.paired_difference(found[weight], found[1.0]).low > 0]
    best = max(clear, key=lambda weight: metrics.mean(found[weight]), default=1.0)
    return scales.model_copy(update={"weight": best})


def auc_by_problem(correct: Bools, values: Floats, problems: Sequence[Ints]) -> Floats:
    """AUC of each problem's own traces (P,), NaN where all or none are right; `correct` and `values` are (B,)."""
    return np.array([metrics.auc(correct[rows], values[rows]) for rows in problems], dtype=np.float64)
