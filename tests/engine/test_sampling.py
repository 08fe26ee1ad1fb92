"""Draws worked by hand, and what rounding must never do: give a token that has no probability to speak of."""

import numpy as np
import pytest
import torch

from reflectgen.config import Sampling
from reflectgen.engine.sampling import Knobs, draw

ONE = 1 - 2.0**-53
"""The largest uniform number below 1."""


def drawn(logits: torch.Tensor, numbers: list[float], **sampling: float) -> list[int]:
    knobs = Knobs.of([Sampling.parse({"top_p": 1.0, **sampling}, "test")] * len(numbers))
    return draw(logits.repeat(len(numbers), 1), np.array(numbers), knobs).tokens.tolist()


def test_a_draw_inverts_the_distribution_in_falling_order_of_probability() -> None:
    """Probabilities 0.2, 0.5, 0.3; top-p 0.6 leaves 0.5 and 0.3, which are 5/8 and 3/8 of what is left."""
    logits = torch.tensor([0.2, 0.5, 0.3]).log() + 7
    assert drawn(logits, [0.0, 0.49, 0.51, 0.79, 0.81, ONE], temperature=1.0) == [1, 1, 2, 2, 0, 0]
    assert drawn(logits, [0.62, 0.63, ONE], temperature=1.0, top_p=0.6) == [1, 2, 2]
    assert drawn(logits, [0.0, ONE], temperature=0.0) == [1, 1]


def test_log_probs_and_confidences_are_at_temperature_1() -> None:
    """Of three equally likely tokens each has log-prob -log 3, which is minus the confidence."""
    result = draw(torch.full((1, 3), 50.0), np.array([0.5]), Knobs.of([Sampling(temperature=0.1)]))
    assert result.logprobs[0] == pytest.approx(-np.log(3), abs=1e-6)
    assert result.confidences[0] == pytest.approx(np.log(3), abs=1e-6)


@pytest.mark.parametrize("top_p", [1.0, 0.95])
@pytest.mark.parametrize("temperature", [1.0, 0.1, 0.01, 1e-4, 1e-30])
def test_no_draw_gives_a_token_without_probability(temperature: float, top_p: float) -> None:
    """One token has all the mass but 1e-7; the numbers are the largest that a draw can be made with."""
    logits = torch.linspace(0.0, 27.3, 1000)
    logits[7] = 45.3
    numbers = (1 - np.geomspace(1e-6, 1e-4, 500)).tolist()
    assert set(drawn(logits, numbers, temperature=temperature, top_p=top_p)) == {7}


def test_a_draw_beyond_the_sorted_candidates_is_exact() -> None:
    """Of 1000 equally likely tokens the draw at (i + 1/2) / 1000 gives each one once."""
    numbers = [(i + 0.5) / 1000 for i in range(1000)]
    for sampling in ({}, {"top_k": 999}, {"temperature": 0.01}):
        tokens = drawn(torch.full((1000,), 20.0), numbers, **{"temperature": 1.0, **sampling})
        assert len(set(tokens)) >= 999
