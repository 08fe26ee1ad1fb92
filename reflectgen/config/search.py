"""Settings of the search strategies (`reflectgen.search`), one class each; defaults hold for any model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reflectgen.config.base import Config


class BestOfNSettings(Config):
    """Best-of-N has none."""


class BeamSettings(Config):
    """Beam search and DVTS."""

    expand: int = Field(4, ge=2)
    """Continuations that compete at each step for one place; k / expand places."""


class MctsSettings(Config):
    """Monte Carlo tree search."""

    exploration: float = Field(0.5, ge=0)
    """Weight of the prior's term against the value's (PUCT)."""
    widening: float = Field(1.0, gt=0)
    """A node that was visited n times may have up to widening * n ** growth children."""
    growth: float = Field(0.5, ge=0, le=1)
    """See `widening`."""
    parallel: int = Field(4, ge=1)
    """Thinkings that are written at once; each but the first is chosen without knowing the others' values."""
    best: Literal["select", "visits"] = "select"
    """Whether the selector chooses among all leaves, or the most visited path does."""


class PrunedSettings(Config):
    """Pruning while thinkings are written."""

    rule: Literal["halving", "prefix", "bound", "behind", "memory"] = "halving"
    """Who is cancelled and when: `reflectgen.search.pruned.RULES`."""
    keep: float = Field(0.5, gt=0, lt=1)
    """Share that is kept at a time (halving, prefix, memory)."""
    every: int = Field(1, ge=1)
    """Steps between two decisions (halving)."""
    start: int = Field(1, ge=1)
    """Steps before the first decision."""
    within: float = Field(0.0, ge=0, lt=1)
    """One goes whose product of step scores is below this share of the largest; 0 for none. Not of the rule memory."""
    least: int = Field(2, ge=1)
    """Thinkings that a rule leaves; `within` leaves at least the best."""
    margin: float = Field(1.0, ge=0)
    """Half-width of the bound, in standard errors of a thinking's mean log step score (bound)."""


class AdaptiveSettings(Config):
    """Effort that stops when the answer is settled."""

    live: int = Field(4, ge=1)
    """Thinkings that are written at once; a new one begins where one has answered."""
    settled: float = Field(0.9, gt=0.5, lt=1)
    """Posterior of the leading answer at which it is settled."""
    strength: float = Field(1.0, gt=0)
    """Votes that a vote of weight 1 counts for in the posterior; where weights are small, more than one."""
    within: float = Field(0.1, ge=0, lt=1)
    """One is stopped whose product of step scores is below this share of the best one's, once one has answered; 0 for none."""


class DeepConfSettings(Config):
    """DeepConf's online mode."""

    warmup: float = Field(0.25, gt=0, lt=1)
    """Share of the k thinkings that is written whole, to learn what confidence to ask for."""
    keep: float = Field(0.5, gt=0, lt=1)
    """Share of the warm-up that lies above the confidence asked for."""
    window: int = Field(2, ge=1)
    """Steps of a window, the weakest of which is a thinking's confidence."""
    live: int = Field(8, ge=1)
    """Thinkings that are written at once after the warm-up."""
    consensus: float = Field(0.95, gt=0.5, le=1)
    """Share of the votes at which the leading answer ends the search; a warm-up of one thinking, with k <= 4 by default, has
    all of them."""


class EscSettings(Config):
    """Early-stopping self-consistency."""

    window: int = Field(4, ge=2)
    """Thinkings of a window; one whose answers all agree ends the search."""


class LengthSettings(Config):
    """Thinking length as effort."""

    least: int = Field(0, ge=0)
    """Tokens below which a thinking that closes is made to go on."""
    nudge: str = "\n\nWait"
    """Text that makes it go on."""
    times: int = Field(4, ge=1)
    """Most nudges of a thinking."""
