"""The dynamic weight with another threshold than the paper's."""

import pytest
import torch

from reflectgen.study.thresholds import NAMES, AgreeingAt
from reflectgen.train.loss import agreeing, named_loss


def test_scores_between_the_thresholds_change_sides() -> None:
    logits, targets = torch.tensor([-0.5, 0.5, -0.5, 0.5]), torch.tensor([1.0, 1.0, 0.0, 0.0])  # scores .38 and .62
    assert AgreeingAt(0.3)(logits, targets).tolist() == [1, 1, 0, 0]
    assert AgreeingAt(0.5)(logits, targets).tolist() == [0, 1, 1, 0] == agreeing(logits, targets).tolist()
    assert AgreeingAt(0.7)(logits, targets).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("threshold", NAMES)
def test_every_threshold_is_a_loss_by_name(threshold: float) -> None:
    keep = named_loss(NAMES[threshold]).keep
    assert keep is agreeing if threshold == 0.5 else keep == AgreeingAt(threshold)
