import math

import torch

from reflectgen.train.pairs import auc, auc_within, mean_over_problems, pairs

CORRECT = torch.tensor([False, True, True, False, True, False])
GROUP = torch.tensor([7, 3, 7, 3, 3, 7])


def test_every_right_trace_meets_every_wrong_one_of_its_problem() -> None:
    right, wrong = pairs(CORRECT, torch.ones(6, dtype=torch.bool), GROUP)
    assert sorted(zip(right.tolist(), wrong.tolist(), strict=True)) == [(1, 3), (2, 0), (2, 5), (4, 3)]


def test_what_does_not_count_is_not_paired() -> None:
    right, wrong = pairs(CORRECT, torch.tensor([True, True, True, False, True, True]), GROUP)
    assert sorted(zip(right.tolist(), wrong.tolist(), strict=True)) == [(2, 0), (2, 5)]


def test_problems_weigh_the_same_however_many_pairs_they_have() -> None:
    assert mean_over_problems(torch.tensor([1.0, 2.0, 6.0]), torch.tensor([4, 4, 9])).item() == (1.5 + 6) / 2
    assert mean_over_problems(torch.zeros(0), torch.zeros(0, dtype=torch.int64)).item() == 0


def test_auc_counts_ties_half() -> None:
    """2 is above 1, and 1 ties with it: (1 + 1/2) / 2."""
    assert auc(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([True, True, False])).item() == 0.75


def test_auc_of_one_class_or_of_nothing_is_unknown() -> None:
    for positive in ([True, True], [False, False], []):
        assert math.isnan(auc(torch.ones(len(positive)), torch.tensor(positive, dtype=torch.bool)).item())


def test_auc_within_problems_passes_over_what_lies_between_them() -> None:
    """Problem 3: 5 and 6 against 4, both above. Problem 7: 1 against 1 (a tie) and 2: 1/4."""
    scores = torch.tensor([1.0, 5.0, 1.0, 4.0, 6.0, 2.0])
    assert auc_within(scores, CORRECT, torch.ones(6, dtype=torch.bool), GROUP).item() == (1 + 0.25) / 2
    assert math.isnan(auc_within(scores, torch.ones(6, dtype=torch.bool), CORRECT, GROUP).item())
