"""From grades to figures: how well a row tells right traces from wrong ones, and what it chooses.

A row chooses among all traces that are stored of a problem; ties share the choice evenly. "Within problems" are means over
the problems that have right and wrong traces.

Shapes: P problems, B traces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reflectgen import metrics
from reflectgen.answers import canonical
from reflectgen.config import Blend
from reflectgen.metrics import NO_ERROR, Bools, Floats, Ints
from reflectgen.study.bootstrap import Bootstrap, Spread
from reflectgen.study.grades import Grades
from reflectgen.study.oracle import Oracle
from reflectgen.train.calibration import auc_by_problem
from reflectgen.train.features import StepFeatures
from reflectgen.train.selection import best_of, selector_values

TITLES = {
    "auc": "AUC",
    "auc_within": "AUC within",
    "best": "best-of-k",
    "blend_auc": "blend AUC",
    "blend_auc_within": "blend AUC within",
    "blend_best": "blend best-of-k",
    "weighted": "weighted vote",
    "all_right": "steps all right",
    "first_error_f1": "first-error F1",
}
"""Name of a figure -> its heading. `all_right`: of the chosen traces with a right answer, the share whose every step is."""
COUNTERPARTS = {"blend_auc": "auc", "blend_auc_within": "auc_within", "blend_best": "best", "weighted": "best"}
"""What a figure of the blend or of a weighted vote is compared with in a row that has no such figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One row of the table."""

    figures: Mapping[str, Spread]
    """By name; a name is missing where the figure is not defined."""
    by_length: tuple[Spread, ...]
    """Accuracy of the chosen traces by quartile of the thinking's length, over all test traces; empty where none is chosen."""

    def minus(self, other: Measured) -> dict[str, Spread]:
        """Differences of all figures that both have, paired by problem."""
        found = {name: other.figures.get(name, other.figures.get(COUNTERPARTS.get(name, ""))) for name in self.figures}
        return {name: self.figures[name] - spread for name, spread in found.items() if spread is not None}


@dataclass(frozen=True)
class Yardstick:
    """The test traces, and the resamples that all figures on them share."""

    test: StepFeatures
    bootstrap: Bootstrap
    oracle: Oracle | None
    """What is known of the test traces' steps; None where nothing is."""

    def graded(self, grades: Grades) -> Measured:
        """The figures of a row."""
        values = selector_values(self.test, grades.scores, grades.blend)
        blend = {f"blend_{name}": spread for name, spread in self._ranked(values["blend"]).items()}
        figures = {**self._ranked(values["sprm"]), **blend, **self._first_errors(grades.first_errors)}
        return self._chosen(figures, values["sprm"], values["weighted:sprm"])

    def references(self) -> dict[str, Measured]:
        """Name -> row, for ways to choose that take no head; their accuracy is the figure `best`."""
        values = selector_values(self.test, np.zeros(len(self.test.correct)), Blend())
        even = np.ones(len(self.test.correct))
        any_right = np.array([self.test.correct[rows].any() for rows in self.test.rows], dtype=np.float64)
        majority, known = self._vote(even), "confidence" in best_of(self.test)
        confidence = values["confidence"]
        return {
            "pass@1": self._chosen({"best": self._accuracy(self._choice(even))}, even),
            **({"majority": Measured(figures={"best": majority["weighted"]}, by_length=())} if majority else {}),
            "logprob": self._chosen(self._ranked(values["logprob"]), values["logprob"], np.exp(values["logprob"])),
            **({"confidence": self._chosen(self._ranked(confidence), confidence, confidence)} if known else {}),
            "shortest": self._chosen(self._ranked(values["shortest"]), values["shortest"]),
            "oracle": Measured(figures={"best": self.bootstrap.mean(any_right)}, by_length=()),
        }

    def _chosen(self, figures: Mapping[str, Spread], values: Floats, votes: Floats | None = None) -> Measured:
        """A row that chooses by `values` (B,), and whose vote weighs answers by `votes` (B,), if it has one."""
        chosen, vote = self._choice(values), {} if votes is None else self._vote(votes)
        return Measured(figures={**figures, **vote, **self._all_right(chosen)}, by_length=self._by_length(chosen))

    # -- figures -----------------------------------------------------------------------------------------------------

    def _ranked(self, values: Floats) -> dict[str, Spread]:
        """How well values (B,) order the traces, and what the largest chooses."""
        correct, rows = self.test.correct, self.test.rows
        return {
            "auc": self.bootstrap.auc(correct, values, rows),
            "auc_within": self.bootstrap.mean(auc_by_problem(correct, values, rows)),
            "best": self._accuracy(self._choice(values)),
        }

    def _accuracy(self, chosen: Floats) -> Spread:
        return self.bootstrap.mean(self._sums(chosen * self.test.correct))

    def _all_right(self, chosen: Floats) -> dict[str, Spread]:
        """Of the chosen traces with a right answer, those without a wrong step; the others are right by luck."""
        if self.oracle is None:
            return {}
        right = chosen * self.test.correct
        return {"all_right": self.bootstrap.ratio(self._sums(right * self.oracle.all_right(self.test)), self._sums(right))}

    def _vote(self, weights: Floats) -> dict[str, Spread]:
        """The answer with the largest sum of weights (B,); nothing where no trace has an answer."""
        if self._codes is None:
            return {}
        found = [
            metrics.weighted_at_k(self.test.correct[None, rows], codes, weights[None, rows], len(rows))
            for rows, codes in zip(self.test.rows, self._codes, strict=True)
        ]
        return {"weighted": self.bootstrap.mean(np.concatenate(found))}

    def _first_errors(self, found: Ints | None) -> dict[str, Spread]:
        gold = None if self.oracle is None else self.oracle.first_errors(self.test)
        if gold is None or found is None:
            return {}
        hit, wrong = (gold == found).astype(np.float64), gold != NO_ERROR
        kinds = [self.bootstrap.ratio(self._sums(hit * kind), self._sums(kind * 1.0)) for kind in (wrong, ~wrong)]
        return {"first_error_f1": self.bootstrap.harmonic_mean(*kinds)}

    def _by_length(self, chosen: Floats) -> tuple[Spread, ...]:
        return tuple(
            self.bootstrap.ratio(self._sums(chosen * self.test.correct * some), self._sums(chosen * some))
            for some in self._quartiles
        )

    # -- what they are made of ---------------------------------------------------------------------------------------

    def _sums(self, values: Floats) -> Floats:
        """Sums over the traces of each problem: (B,) -> (P,)."""
        sums: Floats = np.bincount(self.test.problem, weights=values, minlength=len(self.test.problems)).astype(np.float64)
        return sums

    def _choice(self, values: Floats) -> Floats:
        """The chance that each trace is chosen of its problem's (B,): those of the largest value share it evenly."""
        chosen = np.zeros(len(values))
        for rows in self.test.rows:
            largest = values[rows] == values[rows].max()
            chosen[rows] = largest / largest.sum()
        return chosen

    @cached_property
    def edges(self) -> Floats:
        """The lengths in tokens that part the quartiles of the test traces (3,)."""
        found: Floats = np.quantile(self.test.tokens, [0.25, 0.5, 0.75])
        return found

    @cached_property
    def _quartiles(self) -> list[Bools]:
        """Whether each trace lies in each quartile of length (B,)."""
        place = np.searchsorted(self.edges, self.test.tokens)
        return [place == quartile for quartile in range(len(self.edges) + 1)]

    @cached_property
    def _codes(self) -> list[Ints] | None:
        """The answers of each problem's traces as numbers (1, N); None where no trace has an answer."""
        if all(answer is None for answer in self.test.answers):
            return None
        keys = [None if answer is None else canonical(answer) for answer in self.test.answers]
        return [metrics.codes([[keys[index] for index in rows]]) for rows in self.test.rows]
