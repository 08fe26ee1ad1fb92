"""Monte Carlo tree search over steps: each thinking is written to its end, and its score tells every prefix of it.

A node is a step, its value the mean of the final values of the thinkings through it; no rollout is thrown away. From the root
down, a node that was visited n times and has fewer than `widening * n ** growth` children gets a new one: a fork there,
written to its end. Else the search goes on to the child with the largest PUCT,

    Q + exploration * P * sqrt(n) / (1 + n_child),

Q its mean value scaled to [0, 1] over all leaves so far, P the softmax over siblings of their steps' mean log-probs. Sources:
PUCT, Rosin 2011 and AlphaZero, arXiv 1712.01815; progressive widening, Coulom 2007; named for step scores by arXiv 2507.01951,
which leaves the details open. Deviation from AlphaZero: a leaf's value is the score of a whole thinking, which here costs
nothing beyond decoding, and not of the one step that was added.

`parallel` forks are chosen before their values are known, each counting as a visit of value 0 meanwhile (virtual loss).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from reflectgen.config.search import MctsSettings
from reflectgen.engine.base import Engine
from reflectgen.engine.branch import Branch
from reflectgen.search.base import Request
from reflectgen.search.pool import Pool
from reflectgen.types import Result


@dataclass(slots=True, eq=False)
class Node:
    """A step, and what is known of the thinkings through it."""

    parent: Node | None
    branch: Branch | None
    """A branch that holds it; None for the root."""
    depth: int
    """Steps up to it, itself included."""
    children: list[Node] = field(default_factory=list)
    leaves: list[Branch] = field(default_factory=list)
    """The finished thinkings through it."""
    visits: int = 0
    """Thinkings through it, those being written included."""
    pending: int = 0
    """Children being written."""

    def has_room(self, settings: MctsSettings) -> bool:
        """Whether it may get another child."""
        most: float = settings.widening * max(1, self.visits) ** settings.growth
        return len(self.children) + self.pending < most

    def step_logprob(self) -> float:
        """Mean log-prob of the step."""
        return 0.0 if self.branch is None else self.branch.steps[self.depth - 1].logprob


async def mcts(engine: Engine, request: Request) -> Result:
    """Solve `request` with `k` thinkings that share beginnings. Raises what `Engine.branches` raises."""
    settings = request.settings_of(MctsSettings)
    with Pool(engine, request, min(settings.parallel, request.k)) as pool:
        root = Node(None, None, 0)
        written = [(_visited(root), branch) for branch in pool.branches]
        while written:
            await pool.think([branch for _, branch in written])
            for node, branch in written:
                _record(node, branch)
            worth = _worth(pool)
            count = 0 if pool.spent else min(settings.parallel, request.k - len(pool.branches))
            written = [_expanded(pool, root, worth, settings) for _ in range(count)]
        if settings.best == "visits" and root.leaves:
            return await pool.conclude("mcts", _most_visited(root).leaves)
        return await pool.conclude("mcts", pool.distinct(pool.candidates))


def _expanded(pool: Pool, root: Node, worth: dict[Branch, float], settings: MctsSettings) -> tuple[Node, Branch]:
    """The node that gets a new child next, and the fork that will write it."""
    node = root
    while not node.has_room(settings) and (inner := [child for child in node.children if child.children]):
        node = max(inner, key=_puct(node, worth, settings))
    branch = pool.add(1)[0] if node.branch is None else pool.fork(node.branch, 1, node.depth)[0]
    return _visited(node), branch


def _puct(node: Node, worth: dict[Branch, float], settings: MctsSettings) -> Callable[[Node], float]:
    """The measure of a child of `node` by which the search goes down."""
    scale = math.fsum(math.exp(child.step_logprob()) for child in node.children)

    def measure(child: Node) -> float:
        value = math.fsum(worth.get(leaf, 0.0) for leaf in child.leaves) / child.visits
        prior = math.exp(child.step_logprob()) / scale
        return value + settings.exploration * prior * math.sqrt(node.visits) / (1 + child.visits)

    return measure


def _visited(node: Node) -> Node:
    """`node`, once a new child of it is being written."""
    node.pending += 1
    for one in _path(node):
        one.visits += 1
    return node


def _record(node: Node, branch: Branch) -> None:
    """Below `node` the thinking `branch` was written: its steps become nodes, and all above learn of it."""
    node.pending -= 1
    for depth in range(node.depth + 1, len(branch.steps) + 1):
        child = Node(node, branch, depth, visits=1)
        node.children.append(child)
        node = child
    if branch.state not in ("failed", "cancelled"):
        for one in _path(node):
            one.leaves.append(branch)


def _worth(pool: Pool) -> dict[Branch, float]:
    """The value of each thinking, scaled to [0, 1] over all of them."""
    branches = pool.candidates
    values = pool.values(branches)
    low, high = min(values, default=0.0), max(values, default=0.0)
    return {branch: (value - low) / (high - low or 1.0) for branch, value in zip(branches, values, strict=True)}


def _most_visited(root: Node) -> Node:
    """The last node of the path that goes down by visits through what has leaves; of equals the first."""
    node = root
    while grown := [child for child in node.children if child.leaves]:
        node = max(grown, key=lambda child: child.visits)
    return node


def _path(node: Node | None) -> list[Node]:
    """The node and all above it."""
    found = []
    while node is not None:
        found.append(node)
        node = node.parent
    return found
