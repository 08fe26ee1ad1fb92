"""How thinkings are drawn, and how many."""

from __future__ import annotations

from pydantic import Field

from reflectgen.config.base import Config


class Sampling(Config):
    """How tokens are drawn. Defaults are the authors'."""

    temperature: float = Field(0.6, ge=0)
    """Divides the logits; 0 takes the most likely token."""
    top_p: float = Field(0.95, gt=0, le=1)
    """Draw from the smallest set of tokens with at least this probability."""
    top_k: int = Field(0, ge=0)
    """Draw from this many most likely tokens; 0 for all."""
    max_tokens: int = Field(4096, ge=1)
    """Longest thinking, in tokens."""
    answer_tokens: int = Field(512, ge=1)
    """Longest reply after the thinking, in tokens."""


class Effort(Config):
    """One named point of test-time effort."""

    k: int = Field(ge=1)
    """Thinkings sampled."""


EFFORTS: dict[str, Effort] = {"low": Effort(k=2), "medium": Effort(k=8), "high": Effort(k=32)}
"""The paper's modes."""
