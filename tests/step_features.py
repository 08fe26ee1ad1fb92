"""Step features by hand: problems "p0", "p1", ..., states that are the steps' numbers."""

from typing import Any

import numpy as np

from reflectgen.config import PromptConfig
from reflectgen.train.features import Origin, Reading, StepFeatures

AT, NORMED = Reading(), Reading(-1, True, 0, "step")
ORIGIN = Origin(backbone="llama-1x2-ab", backbone_name="b", step_rule="paper", grade_end=False, prompt=PromptConfig())


def features(problem: list[int], steps: list[int], correct: list[bool], **changes: Any) -> StepFeatures:
    """Traces of the problems "p0", "p1", ... with `steps` steps each; step s has the states (s, -s)."""
    problem_of, trace = np.array(problem), np.repeat(np.arange(len(steps)), steps)
    count = np.arange(len(trace), dtype=np.float64)
    states = np.stack([count, -count], axis=1).astype(np.float16)
    floats = np.arange(len(problem), dtype=np.float64)
    made = {
        "origin": ORIGIN,
        "states": {AT: states, NORMED: 2 * states},
        "trace": trace,
        "start": count.astype(np.int64),
        "stop": count.astype(np.int64),
        "step_logprob": -count,
        "step_confidence": count,
        "labels": np.full(len(trace), np.nan),
        "problem": problem_of,
        "sample": np.arange(len(problem)),
        "correct": np.array(correct),
        "ended": np.ones(len(problem), dtype=np.bool_),
        "logprob": -floats,
        "confidence": floats,
        "tokens": np.arange(len(problem)),
        "answers": tuple(str(index) for index in range(len(problem))),
        "problems": tuple(f"p{index}" for index in sorted(set(problem))),
    }
    return StepFeatures(**{**made, **changes})


FOUR = features([0, 0, 1, 1], [2, 1, 0, 3], [True, False, True, True])
