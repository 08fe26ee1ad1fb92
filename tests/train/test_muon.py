import pytest
import torch

from reflectgen.train.muon import MuonAdamW, orthogonalize


@pytest.mark.parametrize("shape", [(1, 6, 4), (3, 4, 6), (2, 5, 5)])
def test_orthogonalized_matrices_have_singular_values_near_one(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalize(matrices))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_a_scaled_identity_goes_through_the_polynomial_by_hand() -> None:
    """3 I in two dimensions begins at I / sqrt 2; each of five rounds maps x to 3.4445 x - 4.775 x^3 + 2.0315 x^5."""
    x = 0.5**0.5
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    assert torch.allclose(orthogonalize(3 * torch.eye(2)[None])[0], x * torch.eye(2), atol=1e-5)


def test_a_first_muon_step_is_an_orthogonal_update_scaled_by_the_shape() -> None:
    """Weight decay 0.5 at rate 0.1 leaves 0.95 of the weight; a 4 x 1 matrix is scaled by sqrt(4 / 1)."""
    weight = torch.nn.Parameter(torch.ones(4, 1))
    weight.grad = torch.tensor([[3.0], [0.0], [0.0], [0.0]])
    optimizer = MuonAdamW([{"params": [weight], "lr": 0.1, "muon": True, "weight_decay": 0.5}])
    update = orthogonalize(weight.grad[None])[0]
    optimizer.step()
    assert torch.allclose(weight, 0.95 - 0.1 * 2 * update)


def test_momentum_is_nesterov() -> None:
    """Gradients 1 then 0: averages .05 and .0475; the second update follows .95 of the average, which is still positive."""
    weight = torch.nn.Parameter(torch.zeros(1, 1))
    optimizer = MuonAdamW([{"params": [weight], "lr": 1.0, "muon": True}])
    weight.grad = torch.ones(1, 1)
    optimizer.step()
    first = weight.item()
    weight.grad = torch.zeros(1, 1)
    optimizer.step()
    assert optimizer.state[weight]["momentum"].item() == pytest.approx(0.0475)
    assert weight.item() < first < 0


def test_the_rest_is_updated_as_by_adamw() -> None:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.ones(5)) for _ in range(2))
    optimizers = (
        MuonAdamW([{"params": [ours], "lr": 0.1, "muon": False, "weight_decay": 0.2}]),
        torch.optim.AdamW([theirs], lr=0.1, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.2),
    )
    for _ in range(4):
        ours.grad = theirs.grad = torch.randn(5, generator=generator)
        for optimizer in optimizers:
            optimizer.step()
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_parameter_without_a_gradient_stays_and_a_closure_gives_the_loss() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = MuonAdamW([{"params": [weight], "lr": 0.1, "muon": True}])
    assert optimizer.step(lambda: 7.0) == 7.0
    assert weight.tolist() == [[1, 1], [1, 1]]
