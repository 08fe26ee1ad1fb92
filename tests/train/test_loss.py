"""Logits are logs of odds, so that scores are plain fractions: log 3 is a score of 3/4, whose cross-entropies are
-log 3/4 = 0.287682 where it is taught 1, and -log 1/4 = 1.386294 where it is taught 0."""

import math

import pytest
import torch
from loss_cases import NAN, Trace, batch, values

from reflectgen.errors import OptionError
from reflectgen.train.loss import LOSSES, OFFICIAL_GRADIENT_SCALE, Metrics, named_loss, scale_gradient

LOG3 = math.log(3)
GOOD, BAD = (LOG3,), (-LOG3,)
"""One step with a score of 3/4, and one of 1/4."""
TEACHES_ALL = ("paper", "official", "warmup", "bce", "even", "even_paper", "orm")
TEACHES_MIXED = ("group", "group_paper", "group_orm", "pairwise", "pairwise_paper")


def loss(name: str, *traces: Trace) -> float:
    return named_loss(name)(batch(traces))[0].item()


def metrics(name: str, *traces: Trace) -> dict[str, float]:
    found: Metrics = named_loss(name)(batch(traces))[1]
    return values(found)


def gradient(name: str, *traces: Trace) -> list[float]:
    graded = batch(traces)
    named_loss(name)(graded)[0].backward()
    assert graded.logits.grad is not None
    numbers: list[float] = graded.logits.grad.tolist()
    return numbers


def test_the_paper_loss_is_the_mean_over_steps_that_agree_divided_by_all_steps() -> None:
    """One right trace: 3/4 is kept, 1/4 is dropped; L = 0.287682 / 2."""
    trace = Trace((LOG3, -LOG3), True)
    assert loss("paper", trace) == pytest.approx(0.143841, abs=1e-6)
    assert metrics("paper", trace) == {"spr": 0.1438, "spr_all": 0.837, "kept_right": 0.5}


@pytest.mark.parametrize("name", ["warmup", "bce"])
def test_the_warm_up_and_plain_cross_entropy_keep_every_step(name: str) -> None:
    """(0.287682 + 1.386294) / 2."""
    trace = Trace((LOG3, -LOG3), True)
    assert loss(name, trace) == pytest.approx(0.836988, abs=1e-6)
    assert metrics(name, trace) == {"spr": 0.837, "spr_all": 0.837, "kept_right": 1.0}


def test_a_trace_counts_once_however_many_steps_it_has() -> None:
    """A right trace of three steps at 3/4 costs (3 * 0.287682) / 3, and a wrong one of one step at 3/4 costs 1.386294."""
    assert loss("bce", Trace((LOG3, LOG3, LOG3), True), Trace(GOOD, False)) == pytest.approx(0.836988, abs=1e-6)


def test_a_score_of_one_half_agrees_with_nothing() -> None:
    traces = Trace((0.0,), True), Trace((0.0,), False)
    assert loss("paper", *traces) == 0
    assert metrics("paper", *traces)["spr_all"] == pytest.approx(math.log(2), abs=1e-4)


def test_the_official_loss_balances_the_classes_by_their_kept_steps() -> None:
    """Kept: one right step at 3/4; wrong ones at 1/4 and 1/10 (-log 9/10 = 0.105361). With one more each pos = 2, neg = 3:
    c+ = 1.5 * 3/5 = 0.9, c- = 2/5; (0.9 * 0.287682 + 0.4 * (0.287682 + 0.105361)) / (0.9 + 2 * 0.4 + 1e-5).
    """
    traces = Trace((LOG3, -LOG3), True), Trace((-LOG3, -math.log(9), LOG3), False)
    assert loss("official", *traces) == pytest.approx(0.416131 / 1.70001, abs=1e-6)


def test_even_balance_gives_one_right_trace_the_weight_of_three_wrong_ones() -> None:
    """T = 4, one right: c+ = 6 / (2 * 2) = 1.5, c- = 6 / (2 * 4) = 0.75; the right one costs 1.386294, each other 0.287682."""
    traces = [Trace(BAD, True), *[Trace(BAD, False)] * 3]
    assert loss("even", *traces) == pytest.approx((1.5 * 1.386294 + 3 * 0.75 * 0.287682) / 4, abs=1e-6)
    assert loss("even_paper", *traces) == pytest.approx(3 * 0.75 * 0.287682 / 4, abs=1e-6)


def test_group_balance_weighs_problems_alike_and_both_halves_of_each() -> None:
    """Problem 0: right traces cost 0.287682 and 1.386294, the wrong one 0.287682; its loss is (0.836988 + 0.287682) / 2.
    Problem 1: 0.287682 and 1.386294, mean 0.836988. Problem 2 has no wrong trace and falls out.
    """
    traces = (
        *(Trace(GOOD, True), Trace(BAD, True), Trace(BAD, False)),
        *(Trace(GOOD, True, group=1), Trace(GOOD, False, group=1)),
        Trace(BAD, True, group=2),
    )
    assert loss("group", *traces) == pytest.approx((0.562335 + 0.836988) / 2, abs=1e-6)
    assert loss("group_paper", *traces) == pytest.approx(((0.143841 + 0.287682) / 2 + 0.143841) / 2, abs=1e-6)


def test_pairs_are_those_of_one_problem() -> None:
    """Problem 0: log 3/4 - log 1/4 = log 3 costs -log 3/4, 0 costs log 2, the mean is 0.490415. Problem 1: -log 3, 1.386294."""
    traces = (
        *(Trace(GOOD, True), Trace(BAD, False), Trace(GOOD, False)),
        *(Trace(BAD, True, group=1), Trace(GOOD, False, group=1)),
        Trace(BAD, False, group=2),
    )
    assert loss("pairwise", *traces) == pytest.approx((0.490415 + 1.386294) / 2, abs=1e-6)


def test_a_pair_compares_geometric_means() -> None:
    """sqrt(3/4 * 1/4) against 1/4: the odds are sqrt 3, and -log sigmoid(log sqrt 3) = log(1 + 1 / sqrt 3)."""
    traces = Trace((LOG3, -LOG3), True), Trace(BAD, False)
    assert loss("pairwise", *traces) == pytest.approx(math.log(1 + 3**-0.5), abs=1e-6)


def test_the_gradient_of_a_pair_is_its_doubt_times_the_slope_of_log_sigmoid() -> None:
    """The margin is log 3, so the doubt is 1/4; slopes are 1 - 3/4 for the right step and 1 - 1/4 for the wrong one."""
    assert gradient("pairwise", Trace(GOOD, True), Trace(BAD, False)) == pytest.approx([-0.25 * 0.25, 0.25 * 0.75])


def test_the_dynamic_weight_of_a_pair_leaves_its_value_and_stops_the_gradient_of_steps_that_disagree() -> None:
    """The margin is log sqrt 3, the doubt 1 / (1 + sqrt 3); the right trace's second step is thought wrong."""
    traces = Trace((LOG3, -LOG3), True), Trace(BAD, False)
    doubt = 1 / (1 + 3**0.5)
    assert loss("pairwise_paper", *traces) == pytest.approx(loss("pairwise", *traces))
    assert gradient("pairwise_paper", *traces) == pytest.approx([-doubt / 2 * 0.25, 0, doubt * 0.75])


def test_an_outcome_reward_model_is_taught_at_the_last_step_alone() -> None:
    """0.287682 for the right trace, 1.386294 for the wrong one."""
    traces = Trace((-LOG3, -LOG3, LOG3), True), Trace((-LOG3, LOG3), False)
    assert loss("orm", *traces) == loss("group_orm", *traces) == pytest.approx(0.836988, abs=1e-6)
    assert gradient("orm", *traces) == pytest.approx([0, 0, -0.125, 0, 0.375])


def test_soft_labels_are_taught_as_they_are_and_steps_without_one_are_skipped() -> None:
    """3/4 taught 1/4: (0.287682 + 3 * 1.386294) / 4 = 1.111641; the third step's 0.287682 halves with it."""
    trace = Trace((LOG3, LOG3, -LOG3), True, labels=(0.25, NAN, 0.0))
    assert loss("soft", trace) == pytest.approx((1.111641 + 0.287682) / 2, abs=1e-6)
    assert gradient("soft", trace) == pytest.approx([(0.75 - 0.25) / 2, 0, 0.25 / 2])
    assert metrics("soft", trace) == {"spr": 0.6997, "spr_all": 0.6997, "kept_wrong": 1.0}


def test_soft_without_labels_is_refused() -> None:
    with pytest.raises(OptionError, match="make some with reflectgen label"):
        loss("soft", Trace(GOOD, True))


def test_labels_take_the_outcomes_place_in_the_other_losses() -> None:
    """A right trace whose step is labelled wrong: 1/4 is kept under it, and costs 0.287682."""
    assert loss("paper", Trace(BAD, True, labels=(0.0,))) == pytest.approx(0.287682, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_truncated_trace_is_left_out_of_loss_and_metrics(name: str) -> None:
    whole = Trace(GOOD, True, labels=(1.0,)), Trace(GOOD, False, labels=(0.0,))
    more = *whole, Trace((-LOG3, 9.0), False, ended=False, labels=(0.0, 0.0))
    assert loss(name, *more) == loss(name, *whole)
    assert metrics(name, *more) == metrics(name, *whole)
    assert gradient(name, *more)[2:] == [0, 0]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    "traces",
    [
        (),
        (Trace((), True, labels=()),),
        (Trace(GOOD, True, ended=False, labels=(1.0,)),),
        (Trace(GOOD, True, labels=(NAN,)), Trace(GOOD, False, labels=(NAN,))),
    ],
)
def test_where_nothing_counts_the_loss_is_zero_and_so_is_its_gradient(name: str, traces: tuple[Trace, ...]) -> None:
    graded = batch(traces, labelled=True)
    value, found = named_loss(name)(graded)
    value.backward()
    assert value.item() == 0
    assert graded.logits.grad is not None and not graded.logits.grad.any()
    assert set(found) == {"spr", "spr_all", "kept_right", "kept_wrong", "gap", "auc", "auc_within"}


def test_a_trace_without_steps_does_not_count() -> None:
    assert loss("bce", Trace(GOOD, True), Trace((), False)) == pytest.approx(0.287682, abs=1e-6)


@pytest.mark.parametrize("correct", [True, False])
@pytest.mark.parametrize("name", TEACHES_ALL)
def test_a_problem_of_equal_rewards_has_no_advantage_and_still_teaches_the_head(name: str, correct: bool) -> None:
    """All eight traces of the problem have one reward, so (r - mean) / (std + 1e-6) is 0 for each."""
    traces = [Trace((LOG3, -LOG3) if correct else (LOG3, 0.5, -LOG3), correct)] * 8
    rewards = torch.tensor([float(trace.correct) for trace in traces])
    assert not ((rewards - rewards.mean()) / (rewards.std() + 1e-6)).any()
    assert any(gradient(name, *traces))


@pytest.mark.parametrize("name", TEACHES_MIXED)
def test_under_group_balance_and_pairs_such_a_problem_teaches_nothing(name: str) -> None:
    traces = [Trace((LOG3, -LOG3), True)] * 4
    assert loss(name, *traces) == 0
    assert not any(gradient(name, *traces))


def test_the_gradient_of_a_kept_step_is_score_less_outcome_and_of_a_dropped_one_zero() -> None:
    assert gradient("paper", Trace((LOG3, -LOG3), True)) == pytest.approx([(0.75 - 1) / 2, 0])


def test_gap_and_auc_are_of_geometric_means() -> None:
    """Right: sqrt(3/4 * 1/4) = 0.4330; wrong: 1/4 and 3/4: gap 0.4330 - 0.5, one of two pairs in order."""
    found = metrics("paper", Trace((LOG3, -LOG3), True), Trace(BAD, False), Trace(GOOD, False))
    assert (found["gap"], found["auc"], found["auc_within"]) == (-0.067, 0.5, 0.5)
    assert (found["kept_right"], found["kept_wrong"]) == (0.5, 0.5)


def test_auc_within_is_the_mean_over_mixed_problems() -> None:
    """Problem 0 is in order (1), problem 1 is not (0), problem 2 is not mixed. Pooled, the rights are 3/4, 1/4, 1/4 and the
    wrongs 1/4, 3/4: of six pairs one is in order and three are ties.
    """
    traces = (
        *(Trace(GOOD, True), Trace(BAD, False)),
        *(Trace(BAD, True, group=1), Trace(GOOD, False, group=1)),
        Trace(BAD, True, group=2),
    )
    found = metrics("bce", *traces)
    assert (found["auc_within"], found["auc"]) == (0.5, round((1 + 3 * 0.5) / 6, 4))


def test_losses_with_the_dynamic_weight_have_a_warm_up_without_it() -> None:
    traces = Trace((LOG3, -LOG3), True), Trace(GOOD, False)
    for filtered, plain in (("paper", "bce"), ("group_paper", "group"), ("even_paper", "even"), ("pairwise_paper", "pairwise")):
        assert named_loss(filtered).unfiltered(batch(traces))[0].item() == loss(plain, *traces)
    assert metrics("official", *traces)["spr_all"] == round(named_loss("official").unfiltered(batch(traces))[0].item(), 4)


def test_an_unknown_name_is_refused_with_a_guess() -> None:
    with pytest.raises(OptionError, match=r"Unknown loss 'pairwize'.*Did you mean 'pairwise'"):
        named_loss("pairwize")


def test_logits_of_half_precision_are_summed_in_single() -> None:
    graded = batch([Trace((LOG3,) * 3000, True)], dtype=torch.bfloat16)
    value, _ = named_loss("bce")(graded)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(0.2877, abs=1e-3)


def test_scaling_changes_the_gradient_and_not_the_value() -> None:
    features = torch.tensor([2.0], requires_grad=True)
    scaled = scale_gradient(features, OFFICIAL_GRADIENT_SCALE)
    scaled.sum().backward()
    assert scaled.item() == pytest.approx(2.0)
    assert features.grad is not None and features.grad.item() == pytest.approx(1e-4)
    assert scale_gradient(features, 1) is features
