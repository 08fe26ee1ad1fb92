"""Logits are logs of odds, so that scores are plain fractions: log 3 is a score of 3/4."""

import math

import pytest
import torch

from reflectgen.train.loss import Graded, auc, scale_gradient, spr_loss

LOG3 = math.log(3)


def graded(
    logits: list[float], trace: list[int], correct: list[bool], ended: list[bool] | None = None, grad: bool = False
) -> Graded:
    return Graded(
        logits=torch.tensor(logits, requires_grad=grad),
        trace=torch.tensor(trace),
        correct=torch.tensor(correct),
        ended=torch.tensor(ended or [True] * len(correct)),
    )


def values(metrics: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in metrics.items()}


def test_the_paper_loss_is_the_mean_over_steps_that_agree_divided_by_all_steps() -> None:
    """One right trace: scores 3/4 (kept: -log 3/4 = 0.28768) and 1/4 (dropped); L = 0.28768 / 2."""
    loss, metrics = spr_loss(graded([LOG3, -LOG3], [0, 0], [True]))
    assert loss.item() == pytest.approx(0.143841, abs=1e-6)
    assert values(metrics) == {"spr": 0.1438, "spr_all": 0.837, "kept_right": 0.5}


def test_the_warm_up_keeps_every_step() -> None:
    """(-log 3/4 - log 1/4) / 2 = (0.28768 + 1.38629) / 2."""
    loss, metrics = spr_loss(graded([LOG3, -LOG3], [0, 0], [True]), preset="warmup")
    assert loss.item() == pytest.approx(0.836988, abs=1e-6)
    assert values(metrics) == {"spr": 0.837, "spr_all": 0.837, "kept_right": 1.0}


def test_a_trace_counts_once_however_many_steps_it_has() -> None:
    """A right trace of three steps at 3/4 and a wrong one of one step at 1/4 each cost -log 3/4."""
    loss, _ = spr_loss(graded([LOG3, LOG3, LOG3, -LOG3], [0, 0, 0, 1], [True, False]))
    assert loss.item() == pytest.approx(0.287682, abs=1e-6)


def test_a_score_of_one_half_agrees_with_nothing() -> None:
    loss, metrics = spr_loss(graded([0.0, 0.0], [0, 1], [True, False]))
    assert loss.item() == 0
    assert values(metrics)["spr_all"] == pytest.approx(math.log(2), abs=1e-4)


def test_a_truncated_trace_is_left_out_of_loss_and_metrics() -> None:
    whole, all_metrics = spr_loss(graded([LOG3], [0], [True]))
    masked, metrics = spr_loss(graded([LOG3, -LOG3, 9.0], [0, 1, 1], [True, False], ended=[True, False]))
    assert masked.item() == pytest.approx(whole.item())
    assert values(metrics) == values(all_metrics)


def test_a_batch_of_truncated_traces_has_loss_zero_and_a_gradient_of_zero() -> None:
    batch = graded([LOG3], [0], [True], ended=[False], grad=True)
    loss, metrics = spr_loss(batch, balance="even")
    loss.backward()
    assert (loss.item(), batch.logits.grad.tolist()) == (0, [0])
    assert values(metrics) == {"spr": 0, "spr_all": 0}


def test_a_trace_without_steps_does_not_count() -> None:
    loss, _ = spr_loss(graded([LOG3], [0], [True, False]))
    assert loss.item() == pytest.approx(0.287682, abs=1e-6)


def test_even_balance_gives_one_right_trace_the_weight_of_three_wrong_ones() -> None:
    """B = 4, one right: c+ = 6 / (2 * 2) = 1.5 and c- = 6 / (2 * 4) = 0.75; all steps cost -log 3/4."""
    batch = graded([LOG3, -LOG3, -LOG3, -LOG3], [0, 1, 2, 3], [True, False, False, False])
    loss, _ = spr_loss(batch, balance="even")
    assert loss.item() == pytest.approx(0.287682 * (1.5 + 3 * 0.75) / 4, abs=1e-6)


def test_the_gradient_of_a_kept_step_is_score_less_outcome_and_of_a_dropped_one_zero() -> None:
    batch = graded([LOG3, -LOG3], [0, 0], [True], grad=True)
    spr_loss(batch)[0].backward()
    assert batch.logits.grad.tolist() == pytest.approx([(0.75 - 1) / 2, 0])


def test_gap_and_auc_are_of_geometric_means() -> None:
    """Right: sqrt(3/4 * 1/4) = 0.4330; wrong: 1/4 and 3/4: gap 0.4330 - 0.5, one of two pairs in order."""
    batch = graded([LOG3, -LOG3, -LOG3, LOG3], [0, 0, 1, 2], [True, False, False])
    metrics = values(spr_loss(batch)[1])
    assert (metrics["gap"], metrics["auc"]) == (-0.067, 0.5)
    assert (metrics["kept_right"], metrics["kept_wrong"]) == (0.5, 0.5)


def test_auc_counts_ties_half() -> None:
    positive = torch.tensor([True, True, False])
    assert auc(torch.tensor([1.0, 2.0, 1.0]), positive).item() == 0.75
    assert math.isnan(auc(torch.tensor([1.0, 2.0]), torch.tensor([True, True])).item())


def test_scaling_changes_the_gradient_and_not_the_value() -> None:
    features = torch.tensor([2.0], requires_grad=True)
    scaled = scale_gradient(features, 1e-4)
    scaled.sum().backward()
    assert scaled.item() == pytest.approx(2.0)
    assert features.grad.item() == pytest.approx(1e-4)
    assert scale_gradient(features, 1) is features
