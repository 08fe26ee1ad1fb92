"""Traces whose right steps differ from wrong ones along one direction of their states, so that a head can be perfect."""

from typing import Any

import numpy as np
from step_features import ORIGIN, features

from reflectgen.train.features import Reading, StepFeatures

READINGS = (Reading(), Reading(-1), Reading(offset=0))
"""The baseline's states, which tell right from wrong, and two that are noise."""
STEPS = 2
WIDTH = 8


def planted(problems: int, *, samples: int = 4, seed: int = 0, prefix: str = "p", **changes: Any) -> StepFeatures:
    """Problems of `samples` traces, half of them right, with two steps each; states along the first axis are +3 or -3."""
    rng = np.random.default_rng(seed)
    correct = np.tile(np.arange(samples) % 2 == 0, problems)
    steps = np.repeat(np.where(correct, 3.0, -3.0), STEPS)
    noise = rng.normal(size=(3, len(steps), WIDTH))
    told = (0.2 * noise[0] + steps[:, None]) * np.eye(WIDTH)[0]
    states = dict(zip(READINGS, (value.astype(np.float16) for value in (told, *noise[1:])), strict=True))
    made = {
        "origin": ORIGIN,
        "states": states,
        "sample": np.tile(np.arange(samples), problems),
        "logprob": rng.normal(size=len(correct)),
        "step_logprob": rng.normal(size=len(steps)),
        "step_confidence": rng.normal(size=len(steps)),
        "problems": tuple(f"{prefix}{index:03d}" for index in range(problems)),
        "answers": tuple("right" if right else f"wrong {index}" for index, right in enumerate(correct)),
    }
    problem = np.repeat(np.arange(problems), samples).tolist()
    return features(problem, [STEPS] * len(correct), correct.tolist(), **{**made, **changes})
