from rollouts.made import COST, rollout

from reflectgen.commands.sampling import Tally
from reflectgen.types import Cost


def test_the_tally_counts_a_problems_tokens_once_and_only_what_was_graded() -> None:
    tally = Tally()
    assert str(tally) == "0 tokens/s"
    tally.count([rollout(correct=True), rollout(sample=1, correct=False)])
    tally.count([rollout("p1", correct=None, cost=COST + Cost(tokens_generated=4))])
    assert (tally.traces, tally.graded, tally.correct, tally.tokens) == (3, 2, 1, 16)
    assert str(tally).endswith(" tokens/s  right 50.0%")
