"""How often 95 % intervals hold the truth: 2,000 simulated stores for each number of problems and of samples.

A problem has a difficulty p, drawn from a beta distribution; its samples are right with chance p, and two values are larger
where they are right. The truth is the mean over 400,000 other problems. `python -m pytest -m slow -s tests/metrics` prints
the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import numpy as np
import pytest

from reflectgen import metrics
from reflectgen.metrics import Bools, Floats, Interval

SIMULATIONS = 2_000
PROBLEMS, SAMPLES = (30, 100, 300), (8, 32)
KINDS = {"hard": (0.5, 2.0), "middling": (0.6, 0.6), "easy": (1.5, 0.75), "very easy": (2.0, 0.5)}
"""Parameters of the difficulties: means of .2, .5, .67 and .8; the best of 8 has .45, .74, .89 and .96."""
K = 8

Store = tuple[Bools, Floats, Floats]


def drawn(rng: np.random.Generator, kind: str, problems: int, samples: int) -> Store:
    """Outcomes and two values, (P, N) each; the second knows less than the first."""
    correct = rng.random((problems, samples)) < rng.beta(*KINDS[kind], problems)[:, None]
    shared = rng.normal(size=correct.shape)
    return correct, 1.5 * correct + shared, 0.5 * correct + shared + rng.normal(size=correct.shape)


def best(which: int, store: Store) -> Floats:
    return metrics.best_of_k(store[0], store[which], K)


def one(store: Store) -> Floats:
    return metrics.pass_at_1(store[0])


FIGURES: dict[str, tuple[Callable[[Store], Floats], Callable[[Store], Floats] | None]] = {
    "pass@1": (one, None),
    "best-of-8": (partial(best, 1), None),
    "best-of-8 - pass@1": (partial(best, 1), one),
    "best-of-8 - other": (partial(best, 1), partial(best, 2)),
}
"""What is measured, and what it is compared with."""


def interval(figure: str, store: Store) -> Interval:
    first, second = FIGURES[figure]
    return metrics.mean_interval(first(store)) if second is None else metrics.paired_difference(first(store), second(store))


def truth(kind: str, samples: int) -> dict[str, float]:
    rng = np.random.default_rng(1)
    parts = [drawn(rng, kind, 20_000, samples) for _ in range(20)]
    found = {name: float(np.mean([interval(name, part).estimate for part in parts])) for name in FIGURES}
    return found | {"AUC": float(np.mean([metrics.auc(part[0], part[1]) for part in parts]))}


def coverage() -> Iterator[tuple[str, int, int, dict[str, float]]]:
    """Kind, problems, samples, and the share of the intervals that hold the truth."""
    for kind, samples in product(KINDS, SAMPLES):
        true = truth(kind, samples)
        for problems in PROBLEMS:
            rng, held = np.random.default_rng(2), dict.fromkeys(true, 0)
            for _ in range(SIMULATIONS):
                store = drawn(rng, kind, problems, samples)
                for name, value in true.items():
                    found = metrics.auc_interval(*store[:2]) if name == "AUC" else interval(name, store)
                    held[name] += found.low <= value <= found.high
            yield kind, problems, samples, {name: count / SIMULATIONS for name, count in held.items()}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Each within two points of 95 %, four standard errors of 2,000 simulations."""
    print("\nkind      problems samples", *FIGURES, "AUC", sep="  ")
    outside = []
    for kind, problems, samples, held in coverage():
        cells = (f"{100 * share:>{max(5, len(name))}.1f}" for name, share in held.items())
        print(f"{kind:9} {problems:8} {samples:7}", *cells, sep="  ")
        outside += [(kind, problems, samples, name, share) for name, share in held.items() if not 0.93 <= share <= 0.97]
    assert not outside
