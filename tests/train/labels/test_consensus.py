import math

import pytest

from reflectgen.errors import InputError
from reflectgen.train.labels import consensus

NAN = math.nan
KEY = ("sum", 0)


def test_steps_that_both_call_right_or_wrong_are_labelled_and_others_are_not() -> None:
    """A Monte Carlo label above 0 says that the step can still lead to the right answer."""
    (found,) = consensus({KEY: (0.25, 0.0, 0.5, 0.0, NAN, 1.0)}, {KEY: (1.0, 0.0, 0.0, 1.0, 1.0, NAN)}).values()
    assert found[:2] == (1.0, 0.0)
    assert len(found) == 6 and all(map(math.isnan, found[2:]))


@pytest.mark.parametrize("other", [{}, {KEY: (1.0,)}, {("sum", 1): (1.0, 0.0)}])
def test_labellings_of_different_traces_have_no_consensus(other: dict[tuple[str, int], tuple[float, ...]]) -> None:
    with pytest.raises(InputError, match="of different traces"):
        consensus({KEY: (1.0, 0.0)}, other)
