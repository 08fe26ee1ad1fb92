import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflectgen import metrics


def test_first_errors_by_hand() -> None:
    """Of three traces with an error one is found, of two without it both: 2 (1/3) 1 / (4/3) = 1/2."""
    gold, found = np.array([0, 2, 1, metrics.NO_ERROR, metrics.NO_ERROR]), np.array([0, 1, -1, -1, -1])
    assert metrics.first_error_accuracies(gold, found) == pytest.approx((1 / 3, 1.0))
    assert metrics.first_error_f1(gold, found) == pytest.approx(0.5)
    assert metrics.first_error_f1(gold, np.zeros(5, dtype=np.int64)) == 0  # all are flagged
    assert math.isnan(metrics.first_error_f1(gold[:3], found[:3]))
    assert metrics.first_error_accuracies(gold[:3], found[:3]) == pytest.approx((1 / 3, math.nan), nan_ok=True)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=30))
def test_it_is_the_harmonic_mean_of_two_counted_shares(traces: list[tuple[int, int]]) -> None:
    gold, found = (np.array(column, dtype=np.int64) for column in zip(*traces, strict=True))
    with_error = [g == f for g, f in traces if g != metrics.NO_ERROR]
    without = [g == f for g, f in traces if g == metrics.NO_ERROR]
    value = metrics.first_error_f1(gold, found)
    if not with_error or not without:
        assert math.isnan(value)
    elif not any(with_error) or not any(without):
        assert value == 0
    else:
        shares = [sum(flags) / len(flags) for flags in (with_error, without)]
        assert value == pytest.approx(2 / sum(1 / share for share in shares))
