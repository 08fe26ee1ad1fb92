"""One plain forward over a finished branch, and everything that the branch reported compared with it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from engine.contract import TOLERANCE, assert_equal_steps
from numpy.typing import NDArray
from torch import Tensor

from reflectgen.engine.branch import Branch
from reflectgen.engine.grading import grade_trace, measure
from reflectgen.engine.sampling import Knobs, draw, uniforms
from reflectgen.model.reflective import ReflectiveModel


def compare(model: ReflectiveModel, branches: Iterable[Branch]) -> int:
    """Check log-probs, confidences, steps and draws of `branches` against `model`; return how many tokens were compared.

    Of the draws one in a thousand may differ: a uniform may lie within rounding of the border between two tokens.
    """
    checked = [_compare(model, branch) for branch in branches if branch.ids]
    tokens, strays = (sum(column) for column in zip(*checked, strict=True))
    assert strays <= tokens / 1000
    return tokens


@torch.inference_mode()
def _compare(model: ReflectiveModel, branch: Branch) -> tuple[int, int]:
    """Number of drawn tokens, and of those that the plain logits would have drawn otherwise."""
    tree, ids = branch.tree, branch.ids
    tokens = torch.tensor([[*tree.prompt, *ids]])
    logits = model(tokens).logits[0, len(tree.prompt) - 1 : -1]  # (N, V)
    drawn = [i for i in range(len(ids)) if not any(low <= i < high for low, high in branch.forced)]
    logprobs, confidences = measure(logits, tokens[0, len(tree.prompt) :])
    for i in drawn:
        numbers = (branch.logprobs[i], branch.confidences[i])
        assert numbers == pytest.approx((logprobs[i], confidences[i]), abs=TOLERANCE)
    steps = grade_trace(model, tree.grammar, tree.prompt, ids, branch.forced)
    assert_equal_steps(branch.steps, steps[: len(branch.steps)])
    again = [_redraw(logits, key, branch) for key in _line(branch)]
    return len(drawn), sum(all(int(tokens[i]) != ids[i] for tokens in again) for i in drawn)


def _redraw(logits: Tensor, key: int, branch: Branch) -> NDArray[np.int64]:
    """What the random stream of `key` draws from `logits` (N, V) at the positions of the completion."""
    count = len(logits)
    numbers = uniforms(np.full(count, key, np.uint64), np.arange(count, dtype=np.uint64))
    return draw(logits, numbers, Knobs.of([branch.tree.sampling] * count)).tokens


def _line(branch: Branch) -> list[int]:
    """Keys of the branch and its ancestors, from one of which each of its tokens was drawn."""
    return [branch.key, *(_line(branch.parent) if branch.parent else [])]
