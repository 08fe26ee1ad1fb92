import math
from dataclasses import replace

import scripted_store as rig

from reflectgen.train.labels import Summary, summarise

WORDS = rig.tokenizer()


def test_a_summary_counts_what_is_labelled_and_how_often_it_is_the_outcome() -> None:
    """Labels 1 and .25 of a right trace, 0 and none of a wrong one, 1 of a trace of unknown outcome: 2 of 3 agree."""
    good, poor = rig.rollouts([rig.GOOD, rig.POOR], WORDS)
    rows = [good, poor, replace(good, sample=2, correct=None)]
    labels = {("sum", 0): (1.0, 0.25), ("sum", 1): (0.0, math.nan), ("sum", 2): (1.0, math.nan)}
    assert summarise(rows, labels) == Summary(traces=3, steps=6, labelled=4, mean=2.25 / 4, agreement=2 / 3)


def test_nothing_has_no_mean() -> None:
    found = summarise([], {})
    assert found.steps == 0 and math.isnan(found.mean) and math.isnan(found.agreement)
