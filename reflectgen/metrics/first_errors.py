"""How well the first wrong step of a trace is found."""

from __future__ import annotations

import math

from reflectgen.metrics.arrays import Ints

NO_ERROR = -1
"""Place of the first wrong step in a trace whose steps are all right."""


def first_error_accuracies(gold: Ints, found: Ints) -> tuple[float, float]:
    """Two accuracies at naming the first wrong step of a trace: (B,), (B,), counted from 0, or `NO_ERROR`.

    One is the share of the traces with an error whose first wrong step is found exactly, the other the share of those
    without in which none is found. NaN where there are no such traces. Source: ProcessBench, arXiv 2412.06559.
    """
    hit, wrong = gold == found, gold != NO_ERROR
    on_wrong, on_right = (float(hit[kind].mean()) if kind.any() else math.nan for kind in (wrong, ~wrong))
    return on_wrong, on_right


def first_error_f1(gold: Ints, found: Ints) -> float:
    """Harmonic mean of `first_error_accuracies`; NaN where one of the two kinds is missing."""
    on_wrong, on_right = first_error_accuracies(gold, found)
    return 0.0 if on_wrong + on_right == 0 else 2 * on_wrong * on_right / (on_wrong + on_right)
