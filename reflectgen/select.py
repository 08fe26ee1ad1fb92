"""Scored trajectories -> the answer: a table of pure selectors, the same live, in training and over stored rollouts.

There are two kinds. *Best-of* selectors (`sprm`, `logprob`, `confidence`, `shortest`, `blend`) take the trajectory of the
largest value, whatever it answered, so they can choose before anything has answered. *Votes* (`majority`, `weighted:...`)
add up the weights of equal answers, equal meaning one `reflectgen.answers.canonical` key.

Source of `sprm`: arXiv 2507.01951, inference: argmax over k thinkings of the trajectory score.

Who may win: trajectories that ended by themselves or at their limit; cancelled and failed ones only where there is nothing
else. One without an answer casts no vote, yet it counts in the total that `share` is a part of.

Ties. Best-of: larger value, then larger mean log-prob, then lower index. Votes: larger weight, then larger mean of the
voters' mean log-probs, then the answer that was given first; the voter shown for the winning answer is its best by score
(by mean log-prob where there are no scores).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from reflectgen.answers import canonical
from reflectgen.config import Blend
from reflectgen.errors import ModelError, unknown
from reflectgen.registry import find
from reflectgen.scoring import EPS, aggregate, sigmoid
from reflectgen.types import Choice, Step, Trajectory


class Measured(Protocol):
    """What a value is made from: a trajectory, or a branch that is still growing."""

    @property
    def score(self) -> float | None:
        """Trajectory score so far, in [0, 1]; None without a head."""

    @property
    def logprob(self) -> float:
        """Mean log-prob so far, in nats."""

    @property
    def confidence(self) -> float:
        """Mean DeepConf confidence so far, in nats."""

    @property
    def tokens(self) -> int:
        """Length of the thinking so far."""

    @property
    def steps(self) -> Sequence[Step]:
        """Its graded steps so far."""


Value = Callable[[Measured, Blend], float]
"""From a trajectory, and the scales that a blend needs, to its value: the larger the better."""


def sprm(trajectory: Measured, scales: Blend) -> float:
    """The trajectory score, in [0, 1]."""
    return trajectory.score or 0.0


def product(trajectory: Measured, scales: Blend) -> float:
    """The product of the step scores, in [0, 1]: were they independent, the probability that every step is right.

    The trajectory score where there is no graded step.
    """
    scores = [step.score or 0.0 for step in trajectory.steps]
    return aggregate("product", scores) if scores else sprm(trajectory, scales)


def logprob(trajectory: Measured, scales: Blend) -> float:
    """The mean log-prob, in nats."""
    return trajectory.logprob


def confidence(trajectory: Measured, scales: Blend) -> float:
    """The mean DeepConf confidence, in nats."""
    return trajectory.confidence


def shortness(trajectory: Measured, scales: Blend) -> float:
    """Minus the number of thinking tokens."""
    return -float(trajectory.tokens)


def blend(trajectory: Measured, scales: Blend) -> float:
    """z(log score) + weight * z(mean log-prob), with the score clamped from below at `scoring.EPS`."""
    score = (_log_score(trajectory) - scales.score_mean) / scales.score_std
    return score + scales.weight * (trajectory.logprob - scales.logprob_mean) / scales.logprob_std


def probability(trajectory: Measured, scales: Blend) -> float:
    """exp(mean log-prob): the geometric mean of the token probabilities, in (0, 1]."""
    return math.exp(trajectory.logprob)


def blended_probability(trajectory: Measured, scales: Blend) -> float:
    """sigmoid(blend), in (0, 1): bounded, so that no single trajectory outvotes all others."""
    return sigmoid(blend(trajectory, scales))


def one(trajectory: Measured, scales: Blend) -> float:
    """1: every vote weighs the same."""
    return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """One way to choose."""

    value: Value
    votes: bool = False
    """Whether the values are weights of votes; else the largest wins."""
    head: bool = False
    """Whether the value is made from SPRM scores."""
    scaled: bool = False
    """Whether the value needs the scales of a blend."""


SELECTORS: dict[str, Selector] = {
    "sprm": Selector(value=sprm, head=True),
    "product": Selector(value=product, head=True),
    "logprob": Selector(value=logprob),
    "confidence": Selector(value=confidence),
    "shortest": Selector(value=shortness),
    "blend": Selector(value=blend, head=True, scaled=True),
    "majority": Selector(value=one, votes=True),
    "weighted": Selector(value=sprm, votes=True, head=True),
    "weighted:sprm": Selector(value=sprm, votes=True, head=True),
    "weighted:product": Selector(value=product, votes=True, head=True),
    "weighted:logprob": Selector(value=probability, votes=True),
    "weighted:confidence": Selector(value=confidence, votes=True),
    "weighted:blend": Selector(value=blended_probability, votes=True, head=True, scaled=True),
}
"""Name -> selector. `weighted` is `weighted:sprm`."""


_ENDED = ("stop", "length")


def parse(name: str) -> Selector:
    """The selector called `name`: of the table, of an entry point, or a `module:attribute` that is a `Selector`.

    Raises `OptionError` where there is none.
    """
    if name.startswith("weighted:") and name not in SELECTORS:
        raise unknown("selector", name, SELECTORS)
    return find("selector", name, SELECTORS)


def needs_head(name: str) -> bool:
    """Whether the selector `name` wants trajectories with SPRM scores."""
    return parse(name).head


def needs_answers(name: str, abstain_below: float = 0.0) -> bool:
    """Whether every trajectory must have answered before `select`: for a vote, and for a `share` that may abstain."""
    return parse(name).votes or abstain_below > 0


def values(name: str, branches: Sequence[Measured], blend: Blend | None = None) -> list[float]:
    """The value that the selector `name` gives to each of `branches`, which may be growing still; see `select`."""
    selector = parse(name)
    scales = blend or (blend_scales(branches) if selector.scaled else Blend())
    return [selector.value(branch, scales) for branch in branches]


def select(
    name: str,
    trajectories: Sequence[Trajectory],
    *,
    blend: Blend | None = None,
    abstain_below: float = 0.0,
    among: Collection[int] | None = None,
) -> Choice:
    """What the selector `name` decides over `trajectories`, or over those whose indices are in `among`.

    `blend` holds the scales stored with the head; without them both terms are standardised within these trajectories
    (`blend_scales`), which ranks them but does not compare between problems. With a `share` less than `abstain_below` the
    choice is to abstain: no index, no answer. A best-of selector's `share` is the share of trajectories that gave the
    chosen one's answer, a vote's is the winner's part of the weight; it is 0 where the chosen one has no answer.

    Raises `OptionError` for an unknown name and `ModelError` where scores are asked for and there are none.
    """
    selector = parse(name)
    eligible = _electorate(trajectories, range(len(trajectories)) if among is None else among)
    if selector.head and any(trajectory.score is None and trajectory.finish in _ENDED for trajectory in trajectories):
        raise ModelError(
            f"This model has no SPRM head, which '{name}' needs: choose --select majority, logprob or confidence, "
            "or give it a head with --head."
        )
    scales = blend or (blend_scales([trajectories[index] for index in eligible]) if selector.scaled else Blend())
    found = tuple(selector.value(trajectory, scales) for trajectory in trajectories)
    ballots = _ballots(trajectories, eligible)
    index, share = (_vote if selector.votes else _best)(trajectories, eligible, ballots, found)
    if index is None or share < abstain_below:
        return Choice(index=None, answer=None, share=share, values=found)
    return Choice(index=index, answer=trajectories[index].answer, share=share, values=found)


def blend_scales(trajectories: Sequence[Measured], weight: float = 1.0) -> Blend:
    """Mean and standard deviation (over n) of log score and mean log-prob; a deviation of 0, or of no trajectory, is 1."""
    score_mean, score_std = _moments([_log_score(trajectory) for trajectory in trajectories])
    logprob_mean, logprob_std = _moments([trajectory.logprob for trajectory in trajectories])
    return Blend(weight=weight, score_mean=score_mean, score_std=score_std, logprob_mean=logprob_mean, logprob_std=logprob_std)


def _log_score(trajectory: Measured) -> float:
    return math.log(max(trajectory.score or 0.0, EPS))


def _moments(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / len(values)
    return mean, math.sqrt(variance) or 1.0


def _electorate(trajectories: Sequence[Trajectory], among: Collection[int]) -> list[int]:
    """Indices of the trajectories that may win: of `among` those that came to an end, or all where none did."""
    ended = [index for index in sorted(among) if trajectories[index].finish in _ENDED]
    return ended or sorted(among)


def _ballots(trajectories: Sequence[Trajectory], eligible: Sequence[int]) -> dict[str, list[int]]:
    """Answer key -> indices of the eligible trajectories that gave it, in order."""
    ballots: dict[str, list[int]] = {}
    for index in eligible:
        answer = trajectories[index].answer
        if answer is not None:
            ballots.setdefault(canonical(answer), []).append(index)
    return ballots


def _best(
    trajectories: Sequence[Trajectory], eligible: Sequence[int], ballots: dict[str, list[int]], values: Sequence[float]
) -> tuple[int | None, float]:
    """Index of the largest value, and the share of trajectories with its answer."""
    if not eligible:
        return None, 0.0
    index = max(eligible, key=lambda index: (values[index], trajectories[index].logprob, -index))
    agreeing = next((voters for voters in ballots.values() if index in voters), [])
    return index, len(agreeing) / len(eligible)


def _vote(
    trajectories: Sequence[Trajectory], eligible: Sequence[int], ballots: dict[str, list[int]], values: Sequence[float]
) -> tuple[int | None, float]:
    """Index of the best voter for the answer of the largest weight, and that answer's share of all weight."""
    if not ballots:
        return None, 0.0

    def standing(voters: list[int]) -> tuple[float, float, int]:
        weight = math.fsum(values[index] for index in voters)
        return weight, math.fsum(trajectories[index].logprob for index in voters) / len(voters), -voters[0]

    def quality(index: int) -> tuple[float, float, int]:
        trajectory = trajectories[index]
        return (trajectory.logprob if trajectory.score is None else trajectory.score, trajectory.logprob, -index)

    winners = max(ballots.values(), key=standing)
    total = math.fsum(values[index] for index in eligible)
    return max(winners, key=quality), standing(winners)[0] / total if total > 0 else 0.0
