"""Where labels of steps come from: each source fills the same column of a store, a number in [0, 1] for every graded step.

| source | a step's label | costs |
| --- | --- | --- |
| `outcome` | whether the whole trace's answer is right (self-supervised, the paper's) | nothing |
| `oracle` | whether the step is right, where the task can tell (`Task.judge`) | nothing |
| `monte_carlo` | share of n continuations from it that end right (Math-Shepherd) | n traces a step |
| `judge` | whether a language model behind an endpoint calls it right | a request a trace |
| `consensus` | what Monte Carlo and judge both say | nothing more |

NaN stands for a step without a label: one that a source could not or did not label. Losses skip such steps.
"""

from __future__ import annotations

from reflectgen.train.labels.base import Key, Labels, Unit, unlabelled
from reflectgen.train.labels.consensus import consensus
from reflectgen.train.labels.given import oracle, outcome
from reflectgen.train.labels.judge import judge
from reflectgen.train.labels.log import Work, finish, resumed
from reflectgen.train.labels.monte_carlo import MonteCarlo
from reflectgen.train.labels.problems import Problems
from reflectgen.train.labels.summary import Summary, summarise

__all__ = [
    "Key",
    "Labels",
    "MonteCarlo",
    "Problems",
    "Summary",
    "Unit",
    "Work",
    "consensus",
    "finish",
    "judge",
    "oracle",
    "outcome",
    "resumed",
    "summarise",
    "unlabelled",
]
