import pytest
import torch

from reflectgen.config import HeadConfig
from reflectgen.model.head import ACTIVATIONS, SPRMHead


@pytest.mark.parametrize(("hidden_size", "parameters"), [(1536, 4_724_737), (3584, 25_704_449), (5120, 52_449_281)])
def test_the_paper_s_heads_have_the_paper_s_parameter_counts(hidden_size: int, parameters: int) -> None:
    with torch.device("meta"):
        head = SPRMHead(HeadConfig(hidden_size=hidden_size))
    assert sum(parameter.numel() for parameter in head.parameters()) == parameters


def by_hand(activation: str = "relu") -> SPRMHead:
    """up = [[1, 2], [-1, 0], [0, 1]] + [0, 1, -1]; down = [1, 2, 4] + 0.5."""
    head = SPRMHead(HeadConfig(hidden_size=2, width=3, activation=activation)).eval()
    state = {
        "up.weight": torch.tensor([[1.0, 2.0], [-1.0, 0.0], [0.0, 1.0]]),
        "up.bias": torch.tensor([0.0, 1.0, -1.0]),
        "down.weight": torch.tensor([[1.0, 2.0, 4.0]]),
        "down.bias": torch.tensor([0.5]),
    }
    head.load_state_dict(state)
    return head


def test_a_logit_worked_by_hand() -> None:
    # x = (3, -1): up gives (1, -2, -2), relu (1, 0, 0), down 1.5; x = (0, 2): (4, 1, 1), down 4 + 2 + 4 + 0.5.
    logits = by_hand()(torch.tensor([[3.0, -1.0], [0.0, 2.0]]))
    assert logits.tolist() == [1.5, 10.5]


@pytest.mark.parametrize("training", [False, True])
def test_the_temperature_divides_the_logit_in_training_too(training: bool) -> None:
    head = by_hand().train(training)
    head.dropout.p = 0.0
    head.config = head.config.model_copy(update={"temperature": 4.0})
    assert head(torch.tensor([[3.0, -1.0], [0.0, 2.0]])).tolist() == [1.5 / 4, 10.5 / 4]


def test_the_shape_is_the_features_without_their_last_axis() -> None:
    assert by_hand()(torch.zeros(5, 7, 2)).shape == (5, 7)
    assert by_hand()(torch.zeros(2)).shape == ()


def test_it_computes_in_fp32_whatever_the_backbone_s_dtype() -> None:
    features = torch.tensor([[3.0, -1.0]], dtype=torch.bfloat16)
    assert by_hand()(features).dtype == torch.float32


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_is_used(name: str) -> None:
    x = torch.tensor([1.0, -2.0, -2.0])  # `up` of (3, -1), as above
    expected = ACTIVATIONS[name]()(x) @ torch.tensor([1.0, 2.0, 4.0]) + 0.5
    torch.testing.assert_close(by_hand(name)(torch.tensor([3.0, -1.0])), expected)


def test_dropout_works_in_training_only() -> None:
    head, features = SPRMHead(HeadConfig(hidden_size=8, width=64)), torch.ones(8)
    head.eval()
    assert head(features) == head(features)
    head.train()
    torch.manual_seed(0)
    assert len({head(features).item() for _ in range(8)}) > 1
