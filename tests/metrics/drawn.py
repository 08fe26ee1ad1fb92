"""Small random stores, and what enumeration makes of them: the slow, plain counterpart of `reflectgen.metrics`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np
from hypothesis import strategies as st

from reflectgen.metrics import NO_ANSWER, Bools, Floats, Ints


@dataclass(frozen=True)
class Drawn:
    """P problems with N samples each: right or not, a value with many ties, an answer or none."""

    correct: Bools
    values: Floats
    answers: Ints

    @property
    def samples(self) -> int:
        return self.correct.shape[1]

    def over_subsets(self, k: int, judge: Callable[[int, tuple[int, ...]], Fraction]) -> list[float]:
        """For each problem, the mean of `judge(problem, subset)` over all k-subsets of its samples, exactly."""
        found = []
        for problem in range(len(self.correct)):
            verdicts = [judge(problem, subset) for subset in combinations(range(self.samples), k)]
            found.append(float(sum(verdicts) / Fraction(len(verdicts))))
        return found

    def some_right(self, problem: int, subset: Sequence[int]) -> Fraction:
        return Fraction(bool(self.correct[problem, list(subset)].any()))

    def best_right(self, problem: int, subset: Sequence[int]) -> Fraction:
        """Share of the samples of the largest value that is right."""
        top = max(self.values[problem, i] for i in subset)
        return share([self.correct[problem, i] for i in subset if self.values[problem, i] == top])

    def vote_right(self, problem: int, subset: Sequence[int], weights: Floats) -> Fraction:
        """Share of the answers of the largest weight that is right, an answer in the share of all its samples."""
        totals: dict[int, float] = defaultdict(float)
        for i in subset:
            if self.answers[problem, i] != NO_ANSWER:
                totals[self.answers[problem, i]] += weights[problem, i]
        winners = [answer for answer, total in totals.items() if total == max(totals.values())]
        if not winners:
            return Fraction(0)
        shares = [share(self.correct[problem][self.answers[problem] == answer].tolist()) for answer in winners]
        return sum(shares, Fraction(0)) / len(winners)


def share(flags: Sequence[bool]) -> Fraction:
    """Share of `flags` that is true."""
    return Fraction(sum(map(bool, flags)), len(flags))


@st.composite
def stores(draw: st.DrawFn, most_problems: int = 4, most_samples: int = 6) -> Drawn:
    """Any store of that size; all or none right, and samples without answers, come about."""
    problems, samples = draw(st.integers(1, most_problems)), draw(st.integers(1, most_samples))

    def grid(elements: st.SearchStrategy[int]) -> list[list[int]]:
        row = st.lists(elements, min_size=samples, max_size=samples)
        return draw(st.lists(row, min_size=problems, max_size=problems))

    return Drawn(
        np.array(grid(st.integers(0, 1)), dtype=np.bool_),
        np.array(grid(st.integers(0, 3)), dtype=np.float64),
        np.array(grid(st.integers(-1, 2)), dtype=np.int64),
    )
