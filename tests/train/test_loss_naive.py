"""Every loss and its gradient against the same thing written out one trace and one step at a time."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from loss_cases import NAN, Trace, batch, naive, plain

from reflectgen.train.loss import LOSSES, named_loss

LOGITS = st.floats(-8, 8).filter(lambda logit: logit == 0 or abs(logit) > 1e-3)
LABELS = st.one_of(st.just(NAN), st.floats(0, 1))


@st.composite
def traces(draw: Callable[..., Any]) -> list[Trace]:
    """Up to seven traces with up to four steps each, of up to three problems; often of one class, or without steps."""
    one_class = draw(st.sampled_from([None, None, True, False]))
    batch = []
    for _ in range(draw(st.integers(0, 7))):
        steps = draw(st.lists(LOGITS, max_size=4))
        labels = tuple(draw(st.lists(LABELS, min_size=len(steps), max_size=len(steps))))
        correct = draw(st.booleans()) if one_class is None else one_class
        batch.append(Trace(tuple(steps), correct, draw(st.sampled_from([True, True, False])), draw(st.integers(0, 2)), labels))
    return batch


ONE_CLASS = [Trace((1.0, -1.0), True, labels=(1.0, 0.0)), Trace((0.5,), True, labels=(NAN,))]
CUT_OFF = [Trace((1.0,), True, ended=False, labels=(1.0,)), Trace((), False, labels=())]


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=40)
@given(found=traces())
@example(found=ONE_CLASS)
@example(found=CUT_OFF)
@example(found=[])
def test_loss_and_gradient_are_the_naive_ones(name: str, labelled: bool, found: list[Trace]) -> None:
    found = plain(found, labelled or name == "soft")
    graded = batch(found, labelled=labelled or name == "soft")
    value, metrics = named_loss(name)(graded)
    value.backward()
    logits = graded.logits.detach().clone().requires_grad_()
    expected = naive(name, found, logits)
    expected.backward()
    assert value.item() == pytest.approx(expected.item(), abs=1e-6)
    assert metrics["spr"].item() == value.item()
    assert graded.logits.grad is not None and logits.grad is not None
    assert torch.allclose(graded.logits.grad, logits.grad, rtol=0, atol=1e-6)
