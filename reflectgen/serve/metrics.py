"""What a service counts, for Prometheus."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Sequence

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from reflectgen.engine.tree import Tree
from reflectgen.reflector import GradedText
from reflectgen.types import Cost, Result, Step

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


class Metrics:
    """All series of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._requests = Counter("reflectgen_requests", "Requests answered.", ["route", "code"], registry=registry)
        self._efforts = Counter("reflectgen_efforts", "Searches by reasoning effort.", ["effort"], registry=registry)
        self._tokens = Counter("reflectgen_tokens", "Tokens, by what was done with them.", ["kind"], registry=registry)
        self._branches = Counter("reflectgen_branches", "Branches by how they ended.", ["finish"], registry=registry)
        self._first_step = Histogram(
            "reflectgen_time_to_first_step_seconds",
            "From a request's arrival to its first graded step.",
            buckets=SECONDS,
            registry=registry,
        )
        self._answer = Histogram(
            "reflectgen_time_to_answer_seconds", "From a request's arrival to its answer.", buckets=SECONDS, registry=registry
        )
        self._scores = Histogram("reflectgen_step_score", "Scores of steps.", buckets=SHARES, registry=registry)

    def watch(self, live: Callable[[], float], waiting: Callable[[], float], branches: Callable[[], float]) -> None:
        """Read these when asked: requests that are being answered and that wait, and branches that are not over."""
        for name, text, read in (
            ("reflectgen_live_requests", "Requests that are being answered.", live),
            ("reflectgen_queued_requests", "Requests that wait for their turn.", waiting),
            ("reflectgen_live_branches", "Branches that are not over.", branches),
        ):
            Gauge(name, text, registry=self.registry).set_function(read)

    def answered(self, route: str, code: int) -> None:
        """A request was answered."""
        self._requests.labels(route, str(code)).inc()

    def stepped(self, seconds: float) -> None:
        """The first step of a search was graded, so long after the request came."""
        self._first_step.observe(seconds)

    def searched(self, result: Result, effort: str, seconds: float) -> None:
        """A search came to its result, so long after the request came."""
        self._efforts.labels(effort).inc()
        self._answer.observe(seconds)
        self._spent(result.cost, [one.finish for one in result.trajectories])
        for one in result.trajectories:
            self._score(one.steps)

    def abandoned(self, tree: Tree) -> None:
        """A search was given up, which had come so far."""
        self._spent(tree.cost, [branch.finish or "cancelled" for branch in list(tree.branches)])

    def graded(self, texts: Sequence[GradedText]) -> None:
        """Given texts were graded."""
        self._tokens.labels("prefilled").inc(sum(text.tokens for text in texts))
        for text in texts:
            self._score(text.steps)

    def _spent(self, cost: Cost, finishes: Sequence[str]) -> None:
        for kind, tokens in (
            ("generated", cost.tokens_generated),
            ("prefilled", cost.tokens_prefilled),
            ("scored", cost.tokens_scored),
        ):
            self._tokens.labels(kind).inc(tokens)
        for finish, count in Tally(finishes).items():
            self._branches.labels(finish).inc(count)

    def _score(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if step.score is not None:
                self._scores.observe(step.score)

    def exposition(self) -> tuple[bytes, str]:
        """All series as text, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
