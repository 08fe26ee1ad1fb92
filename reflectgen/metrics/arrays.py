"""Arrays of stored samples, and what is asked of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reflectgen.errors import InputError, OptionError

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def check_k(correct: Bools | Floats, k: int) -> int:
    """N of a (P, N) array, once k is known to lie in 1..N; raises `OptionError` otherwise."""
    n = int(correct.shape[1])
    if not 1 <= k <= n:
        raise OptionError(f"k = {k} must lie between 1 and the {n} samples that are stored of each problem.")
    return n


def members(correct: Bools, counted: Bools | None) -> Bools:
    """Which samples (P, N) a figure is over: those `counted`, or all."""
    return np.ones_like(correct) if counted is None else counted


def check_known(values: Floats) -> None:
    """Raise `InputError` where a sample has no value."""
    if np.isnan(values).any():
        raise InputError("Some samples have no value (NaN): score them first, or give them -inf to rank them last.")
