"""How thinkings are drawn, and how many."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from reflectgen.config.base import Config

COLDEST = 1e-6
"""Least temperature that logits are divided by: less is nothing in 32 bits."""


class Sampling(Config):
    """How tokens are drawn. Defaults are the authors'."""

    temperature: float = Field(0.6, ge=0)
    """Divides the logits; 0 takes the most likely token, and so does what is too small to divide by (`COLDEST`)."""
    top_p: float = Field(0.95, gt=0, le=1)
    """Draw from the smallest set of tokens with at least this probability."""
    top_k: int = Field(0, ge=0)
    """Draw from this many most likely tokens; 0 for all."""
    max_tokens: int = Field(4096, ge=1)
    """Longest thinking, in tokens."""
    answer_tokens: int = Field(512, ge=1)
    """Longest reply after the thinking, in tokens."""

    @field_validator("temperature")
    @classmethod
    def _divisor(cls, temperature: float) -> float:
        return temperature if temperature >= COLDEST else 0.0


class Effort(Config):
    """One named point of test-time effort: how many thinkings, how long, under which strategy."""

    k: int = Field(ge=1)
    """Thinkings sampled, at most."""
    strategy: str = "best_of_n"
    """Name of the search strategy (`reflectgen.search`)."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The strategy's own settings (`reflectgen.config.search`)."""
    budget: int | None = Field(None, ge=1)
    """Most tokens generated for a problem; None for no limit."""
    max_tokens: int | None = Field(None, ge=1)
    """Longest thinking, in tokens; None for the sampling's."""


EFFORTS: dict[str, Effort] = {
    "low": Effort(k=2),
    "medium": Effort(k=8),
    "high": Effort(k=32),
    "auto": Effort(k=32, strategy="adaptive"),
}
"""The paper's modes, and one that stops where the answer is settled."""


class Efforts(Config):
    """A file of efforts of one's own: name -> effort."""

    efforts: dict[str, Effort]
