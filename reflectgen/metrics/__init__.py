"""Numbers over stored samples: accuracy at k by several ways to choose, rank agreement, calibration, intervals. Numpy only.

Shapes: P problems, N samples of each. `correct` is (P, N) bool, `values` and `weights` are (P, N) float, `answers` is (P, N)
int as `codes` makes it. What is measured at k is the expectation over all k-subsets of the N samples, drawn without
replacement: unbiased for k fresh samples. Estimators give one number per problem, (P,), and intervals are over problems,
since the samples of one problem are not independent. Problems with different numbers of samples are no array: who has such
uses the least common number, and says so, or goes problem by problem. Where figures take `counted` (P, N), they are over those
samples alone.

`at_k` and `votes` hold accuracies, `ranks` the AUC, `calibration` and `first_errors` what their names say, `intervals` how
sure it all is; each names its sources.
"""

from __future__ import annotations

from reflectgen.metrics.arrays import Bools, Floats, Ints
from reflectgen.metrics.at_k import best_of_k, pass_at_1, pass_at_k
from reflectgen.metrics.calibration import Bin, brier, expected_calibration_error, reliability
from reflectgen.metrics.first_errors import NO_ERROR, first_error_accuracies, first_error_f1
from reflectgen.metrics.intervals import Interval, interval, mean, mean_interval, paired_difference, wilson
from reflectgen.metrics.ranks import auc, auc_interval, auc_within
from reflectgen.metrics.votes import (
    EXACT,
    NO_ANSWER,
    Estimate,
    codes,
    majority_at_k,
    votes_at_k,
    weighted_at_k,
)

__all__ = [
    "EXACT",
    "NO_ANSWER",
    "NO_ERROR",
    "Bin",
    "Bools",
    "Estimate",
    "Floats",
    "Interval",
    "Ints",
    "auc",
    "auc_interval",
    "auc_within",
    "best_of_k",
    "brier",
    "codes",
    "expected_calibration_error",
    "first_error_accuracies",
    "first_error_f1",
    "interval",
    "majority_at_k",
    "mean",
    "mean_interval",
    "paired_difference",
    "pass_at_1",
    "pass_at_k",
    "reliability",
    "votes_at_k",
    "weighted_at_k",
    "wilson",
]
