"""Several heads as one: equal logits, plain where all are plain."""

import torch
from torch import nn

from reflectgen.config import HeadConfig
from reflectgen.model.head import SPRMHead
from reflectgen.train.ensemble import Averaged, average


def heads(count: int) -> list[SPRMHead]:
    torch.manual_seed(0)
    return [SPRMHead(HeadConfig(hidden_size=5, width=3)).eval() for _ in range(count)]


def test_heads_side_by_side_are_one_head_with_the_mean_of_their_logits() -> None:
    members, inputs = heads(3), torch.randn(7, 5)
    joined = average(members)
    assert isinstance(joined, SPRMHead) and joined.config.width == 9 and not joined.training
    torch.testing.assert_close(joined(inputs), torch.stack([head(inputs) for head in members]).mean(dim=0))


def test_one_head_is_left_as_it_is() -> None:
    (head,) = heads(1)
    assert average([head]) is head


def test_other_modules_are_averaged_as_they_are() -> None:
    modules = [nn.Sequential(nn.Linear(5, 1), nn.Flatten(0)) for _ in range(2)]
    inputs = torch.randn(4, 5)
    mean = average(modules)
    assert isinstance(mean, Averaged)
    torch.testing.assert_close(mean(inputs), (modules[0](inputs) + modules[1](inputs)) / 2)
