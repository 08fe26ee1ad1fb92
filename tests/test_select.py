"""Selectors over hand-made trajectories: what wins, by which tie rule, with which share."""

from __future__ import annotations

import math
import sys
from itertools import permutations
from types import ModuleType

import pytest

from reflectgen import select as selection
from reflectgen.config import Blend
from reflectgen.errors import ModelError, OptionError
from reflectgen.select import blend_scales, needs_answers, needs_head, parse, select
from reflectgen.types import Choice, Finish, Trajectory


def made(
    answer: str | None = None,
    score: float | None = None,
    logprob: float = -1.0,
    confidence: float = 1.0,
    tokens: int = 10,
    finish: Finish = "stop",
) -> Trajectory:
    """A trajectory of which only the graded outside matters."""
    return Trajectory(
        id="0",
        parent=None,
        token_ids=(),
        thinking="",
        reply="",
        answer=answer,
        steps=(),
        score=score,
        logprob=logprob,
        confidence=confidence,
        tokens=tokens,
        finish=finish,
    )


FOUR = (
    made("1", score=0.8, logprob=-0.5, confidence=2.0, tokens=40),
    made("2", score=0.4, logprob=-0.1, confidence=1.0, tokens=30),
    made("2.0", score=0.3, logprob=-0.9, confidence=3.0, tokens=20),
    made(None, score=0.9, logprob=-2.0, confidence=1.5, tokens=10, finish="length"),
)


@pytest.mark.parametrize(
    ("name", "index", "answer", "share", "values"),
    [
        ("sprm", 3, None, 0, (0.8, 0.4, 0.3, 0.9)),  # the paper's argmax, whatever it answered
        ("logprob", 1, "2", 0.5, (-0.5, -0.1, -0.9, -2.0)),
        ("confidence", 2, "2.0", 0.5, (2, 1, 3, 1.5)),
        ("shortest", 3, None, 0, (-40, -30, -20, -10)),
        ("majority", 1, "2", 0.5, (1, 1, 1, 1)),
        ("weighted", 0, "1", 0.8 / 2.4, (0.8, 0.4, 0.3, 0.9)),
        ("weighted:sprm", 0, "1", 0.8 / 2.4, (0.8, 0.4, 0.3, 0.9)),
        ("weighted:confidence", 1, "2", 4 / 7.5, (2, 1, 3, 1.5)),
    ],
)
def test_selectors(name: str, index: int, answer: str | None, share: float, values: tuple[float, ...]) -> None:
    choice = select(name, FOUR)
    assert (choice.index, choice.answer) == (index, answer)
    assert choice.share == pytest.approx(share)
    assert choice.values == pytest.approx(values)


def test_logprob_votes_weigh_the_geometric_mean_of_the_token_probabilities() -> None:
    choice = select("weighted:logprob", FOUR)
    weights = [math.exp(value) for value in (-0.5, -0.1, -0.9, -2.0)]
    assert choice.values == pytest.approx(weights)
    assert choice.answer == "2"
    assert choice.share == pytest.approx((weights[1] + weights[2]) / sum(weights))


def test_blend_uses_the_scales_of_the_head() -> None:
    scales = Blend(weight=2, score_mean=-1, score_std=0.5, logprob_mean=-0.2, logprob_std=0.1)
    choice = select(
        "blend", [made("1", score=math.exp(-1), logprob=-0.3), made("2", score=math.exp(-1.5), logprob=-0.2)], blend=scales
    )
    assert choice.values == pytest.approx((0 + 2 * -1, -1 + 2 * 0))  # z-scores worked by hand
    assert choice.answer == "2"
    weighted = select("weighted:blend", [made("1", score=math.exp(-1), logprob=-0.3)], blend=scales)
    assert weighted.values == pytest.approx((1 / (1 + math.exp(2)),))


def test_blend_without_scales_standardises_within_the_set() -> None:
    pair = [made("1", score=math.exp(-1), logprob=-4), made("2", score=math.exp(-3), logprob=-2)]
    assert select("blend", pair).values == pytest.approx((0, 0))  # +1 - 1 and -1 + 1
    assert blend_scales(pair, weight=0.5) == Blend(weight=0.5, score_mean=-2, score_std=1, logprob_mean=-3, logprob_std=1)


def test_blend_scales_of_equal_or_no_trajectories_divide_by_one() -> None:
    assert blend_scales([made(score=1.0, logprob=-2)] * 3) == Blend(score_mean=0, score_std=1, logprob_mean=-2, logprob_std=1)
    assert blend_scales([]) == Blend()


def test_a_score_of_zero_is_clamped_in_the_blend() -> None:
    assert blend_scales([made(score=0.0)]).score_mean == pytest.approx(math.log(1e-10))


@pytest.mark.parametrize("name", selection.SELECTORS)
def test_order_changes_only_the_index(name: str) -> None:
    chosen = {(FOUR[choice.index], round(choice.share, 9)) for choice in [select(name, FOUR)] if choice.index is not None}
    for order in permutations(FOUR):
        choice = select(name, order)
        assert choice.index is not None
        assert (order[choice.index], round(choice.share, 9)) in chosen


def test_ties_of_best_of_go_to_the_higher_logprob_and_then_the_lower_index() -> None:
    assert select("sprm", [made(score=0.5, logprob=-2), made(score=0.5, logprob=-1), made(score=0.5, logprob=-1)]).index == 1


def test_ties_of_votes_go_to_the_higher_mean_logprob_and_then_the_first_answer() -> None:
    assert select("majority", [made("1", logprob=-2), made("2", logprob=-1)]).answer == "2"
    assert select("majority", [made("1"), made("2")]).answer == "1"
    tied = [made("1", score=0.6), made("2", score=0.3, logprob=-0.5), made("2", score=0.3, logprob=-0.5)]
    assert select("weighted", tied).answer == "2"


def test_the_best_voter_stands_for_the_winning_answer() -> None:
    scored = [made("1", score=0.2, logprob=-1), made("1", score=0.7, logprob=-3), made("2", score=0.9)]
    assert select("majority", scored).index == 1
    assert select("majority", [made("1", logprob=-3), made("1", logprob=-1), made("2", logprob=0)]).index == 1


def test_equal_answers_fall_together_whatever_their_spelling() -> None:
    choice = select("majority", [made("3"), made(r"\boxed{0.5}"), made("1/2"), made(r"$\frac12$"), made("3.0")])
    assert (choice.answer, choice.share) == (r"\boxed{0.5}", 0.6)


def test_cancelled_and_failed_win_only_where_there_is_nothing_else() -> None:
    lost = [made("1", score=0.9, finish="cancelled"), made("1", score=0.9, finish="failed")]
    ended = made("2", score=0.1)
    for name in ("sprm", "majority", "weighted"):
        assert select(name, [*lost, ended]).index == 2
        assert select(name, [*lost, ended]).share == 1
        assert select(name, lost).index == 0


def test_a_truncated_one_without_answer_counts_in_the_share_alone() -> None:
    choice = select("majority", [made("1"), made(None, finish="length"), made(None, finish="length")])
    assert (choice.index, choice.answer, choice.share) == (0, "1", pytest.approx(1 / 3))


def test_a_failed_one_needs_no_score() -> None:
    assert select("sprm", [made("1", score=None, finish="failed"), made("2", score=0.1)]).index == 1
    assert select("sprm", [made("1", score=None, finish="failed")]) == Choice(index=0, answer="1", share=1.0, values=(0.0,))


def test_nothing_can_be_chosen_of_nothing() -> None:
    for name in selection.SELECTORS:
        assert select(name, []) == Choice(index=None, answer=None, share=0.0, values=())
    assert select("majority", [made(None)]) == Choice(index=None, answer=None, share=0.0, values=(1.0,))


def test_weights_that_are_all_zero_give_no_share() -> None:
    choice = select("weighted", [made("1", score=0.0, logprob=-2), made("2", score=0.0)])
    assert (choice.answer, choice.share) == ("2", 0.0)


@pytest.mark.parametrize(("least", "index"), [(0.0, 1), (0.5, 1), (0.51, None)])
def test_it_abstains_below_a_share(least: float, index: int | None) -> None:
    choice = select("majority", FOUR, abstain_below=least)
    assert choice.index == index
    assert choice.answer == (None if index is None else "2")
    assert choice.share == 0.5 and len(choice.values) == 4


def test_best_of_selectors_choose_before_anything_has_answered() -> None:
    assert select("sprm", [made(score=0.1), made(score=0.2)]) == Choice(index=1, answer=None, share=0.0, values=(0.1, 0.2))


@pytest.mark.parametrize("name", ["sprm", "blend", "weighted", "weighted:sprm", "weighted:blend"])
def test_a_model_without_a_head_is_told_what_to_do(name: str) -> None:
    assert needs_head(name)
    with pytest.raises(ModelError, match=rf"no SPRM head, which '{name}' needs: choose --select majority.*--head"):
        select(name, [made("1", score=0.5), made("2", score=None)])


@pytest.mark.parametrize("name", ["logprob", "confidence", "shortest", "majority", "weighted:logprob", "weighted:confidence"])
def test_the_others_need_no_head(name: str) -> None:
    assert not needs_head(name)
    assert select(name, [made("1"), made("1")]).index == 0


def test_votes_and_abstention_need_answers() -> None:
    assert [name for name in selection.SELECTORS if not needs_answers(name)] == [
        "sprm",
        "product",
        "logprob",
        "confidence",
        "shortest",
        "blend",
    ]
    assert needs_answers("sprm", abstain_below=0.5)


def test_unknown_names_are_named() -> None:
    with pytest.raises(OptionError, match=r"Unknown selector 'majorty': choose one of blend, .* Did you mean 'majority'"):
        select("majorty", FOUR)
    with pytest.raises(OptionError, match=r"Unknown selector 'weighted:sprn'.*Did you mean 'weighted:sprm'"):
        parse("weighted:sprn")


def test_a_selector_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ModuleType("own")
    own.longest = selection.Selector(value=lambda trajectory, scales: float(trajectory.tokens))
    own.number = 3
    monkeypatch.setitem(sys.modules, "own", own)
    assert select("own:longest", FOUR).index == 0
    with pytest.raises(OptionError, match=r"'own:number' is no selector: it must be a reflectgen.select.Selector"):
        parse("own:number")
