"""One row of a store, and the header that all its rows share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import Any, Self

from reflectgen.types import Cost, Finish, Problem, Step, Trajectory

SCHEMA = 1
"""Version of the columns; a store of another version is refused."""

SAME = (
    "token_ids",
    "token_logprobs",
    "forced_spans",
    "score",
    "logprob",
    "confidence",
    "tokens",
    "answer",
    "finish",
    "error",
)
"""Fields that a row takes from its trajectory, and gives back, as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What all traces of a store have in common."""

    task: str
    """Name of the task (`reflectgen.tasks`)."""
    model: str
    """What the user called the model; the fingerprints say which it is."""
    backbone: str
    """The backbone's fingerprint, with that of an adapter (`reflectgen.identity.Identity`)."""
    head: str
    """Fingerprint of the head that graded the steps; empty where none did."""
    engine: str
    """Name of the engine that drew the tokens."""
    dtype: str = ""
    """Precision of the backbone's weights, e.g. `bfloat16`; empty where it is unknown."""
    step_rule: str
    """The step rule that cut the steps (`reflectgen.steps`)."""
    prompt: Mapping[str, Any]
    """How a problem became a prompt: fields of `reflectgen.config.PromptConfig`."""
    sampling: Mapping[str, Any]
    """How tokens were drawn: fields of `reflectgen.config.Sampling`."""
    schema: int = SCHEMA

    def encode(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def decode(cls, text: bytes) -> Self:
        """From JSON, with lists where there were tuples."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One sampled trace."""

    problem_id: str
    sample: int
    """Number of the trace among its problem's, from 0."""
    seed: int
    prompt_hash: int
    """`prompt_hash` of the prompt's token ids."""
    problem: str | None
    """The problem's text; None in a compact store, as the next one."""
    prompt_ids: tuple[int, ...] | None
    token_ids: tuple[int, ...]
    """The completion: thinking and reply."""
    token_logprobs: tuple[float, ...]
    """Log-prob at temperature 1 of each token, in nats; 0 for forced ones."""
    forced_spans: tuple[tuple[int, int], ...] = ()
    """Half-open ranges of `token_ids` that were forced, not drawn, e.g. a closing tag at the token limit."""
    text: str | None
    """The completion's text; None in a compact store."""
    steps: tuple[Step, ...]
    """Graded steps; their texts are empty, since `token_ids` and the spans give them."""
    score: float | None
    """Trajectory score, in [0, 1]; None where no head graded."""
    logprob: float
    """Mean log-prob of the thinking's tokens, in nats."""
    confidence: float
    """Mean DeepConf confidence of the thinking's tokens, in nats."""
    tokens: int
    """Length of the thinking."""
    answer: str | None
    correct: bool | None
    """The outcome; None where no gold answer is known."""
    finish: Finish
    error: str | None
    cost: Cost
    """What sampling all traces of its problem cost; equal in the rows of one problem."""

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from all others of its store."""
        return self.problem_id, self.sample

    @classmethod
    def of(
        cls,
        problem: Problem,
        sample: int,
        seed: int,
        prompt: Sequence[int],
        trajectory: Trajectory,
        correct: bool | None,
        cost: Cost,
    ) -> Self:
        """The row for a trajectory that was sampled for `problem`."""
        return cls(
            problem_id=problem.id,
            sample=sample,
            seed=seed,
            prompt_hash=prompt_hash(prompt),
            problem=problem.text,
            prompt_ids=tuple(prompt),
            text=trajectory.text,
            steps=tuple(replace(step, text="") for step in trajectory.steps),
            correct=correct,
            cost=cost,
            **{name: getattr(trajectory, name) for name in SAME},
        )

    def compact(self) -> Self:
        """Without what can be computed again."""
        return replace(self, problem=None, prompt_ids=None, text=None)

    def trajectory(self) -> Trajectory:
        """As a selector wants it (`reflectgen.select`); thinking and reply are the whole text."""
        text = self.text or ""
        return Trajectory(
            id=str(self.sample),
            parent=None,
            thinking=text,
            reply=text,
            text=text,
            steps=self.steps,
            **{name: getattr(self, name) for name in SAME},
        )


def prompt_hash(ids: Sequence[int]) -> int:
    """63 bits of BLAKE2b over the token ids."""
    digest = blake2b(",".join(map(str, ids)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
