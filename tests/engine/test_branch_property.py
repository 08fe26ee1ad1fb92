"""Whatever is done to branches in whatever order, their steps are those of the rule over their final tokens."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from engine.rig import LONG_TAGS, TAGS, WORDS, notes, plant, spans, truth

from reflectgen.engine.branch import Branch

OPERATIONS = ("draw",) * 12 + ("settle",) * 6 + ("next",) * 4 + ("allow", "fork", "force", "answer", "answer", "cancel")
TOKENS = [token for token in range(len(WORDS)) for _ in range(1 if token < 3 else 3)]


def random_rules(rng: random.Random) -> dict[str, Any]:
    return {
        "tags": rng.choice([TAGS, LONG_TAGS, None]),
        "offset": rng.choice([-1, 0]),
        "grade_end": rng.random() < 0.5,
        "separate": rng.random() < 0.3,
        "pace": rng.choice(["free", "step"]),
        "rule": rng.choice(["blank_line", "regex:[bc]"]),
        "has_head": rng.random() < 0.8,
        "max_tokens": rng.randint(1, 14),
        "room": rng.randint(12, 30),
    }


class Program:
    """Applies moves to a growing list of branches and keeps its own account of what each was allowed."""

    def __init__(self, rules: dict[str, Any]) -> None:
        self.branches = plant(2, **rules)
        self.branches[0].tree.grader = lambda branch: None
        self.room = rules["room"]
        self.left: dict[Branch, int] = {}
        self.tasks: list[asyncio.Task[Any]] = []

    async def move(self, operation: str, index: int, tokens: list[int]) -> None:
        branch = self.branches[index % len(self.branches)]
        await getattr(self, operation)(branch, tokens)
        await asyncio.sleep(0)
        for each in self.branches:
            self.check(each)

    async def draw(self, branch: Branch, tokens: list[int]) -> None:
        for token in tokens:
            if branch.state == "live" and branch.awaiting is None:
                if branch in self.left:
                    self.left[branch] -= 1
                    assert self.left[branch] >= 0
                graded = branch.grades(token)
                before = len(branch.steps)
                branch.append(token, -1.0, 1.0, 1.0 if graded else None)
                assert graded == (len(branch.steps) > before and branch.tree.grammar.reads)

    async def settle(self, branch: Branch, tokens: list[int]) -> None:
        if _pending(branch):
            branch.settle(2.0)

    async def next(self, branch: Branch, tokens: list[int]) -> None:
        self.tasks.append(asyncio.create_task(_first(branch)))

    async def allow(self, branch: Branch, tokens: list[int]) -> None:
        self.left[branch] = len(tokens)
        branch.allow(len(tokens))

    async def fork(self, branch: Branch, tokens: list[int]) -> None:
        at = None if len(tokens) > 1 else len(tokens)
        if at in (None, 0) or spans(branch)[:1] == _ended(branch)[:1] != []:
            self.branches += branch.fork(1, at)

    async def force(self, branch: Branch, tokens: list[int]) -> None:
        answering = any(task.get_name() == f"answer {id(branch)}" for task in self.tasks)
        if branch.state in ("live", "halted", "closed") and not answering:
            branch.force("".join(WORDS[token] for token in tokens))

    async def answer(self, branch: Branch, tokens: list[int]) -> None:
        self.tasks.append(asyncio.create_task(branch.answer(), name=f"answer {id(branch)}"))

    async def cancel(self, branch: Branch, tokens: list[int]) -> None:
        branch.cancel()

    def check(self, branch: Branch) -> None:
        tree = branch.tree
        assert len(branch.ids) <= self.room
        assert branch.trajectory(str).tokens <= tree.thinking_limit
        assert len(branch.ids) == len(branch.logprobs) == len(branch.confidences)
        assert branch.awaiting is None or branch.state == "live"
        assert branch.awaiting is None or 0 <= branch.awaiting < branch.length
        assert (branch.state == "grading") <= tree.grammar.separate
        assert branch.awaiting is None or tree.grammar.reads
        assert (branch.finish is None) <= (branch.state in ("live", "grading", "halted"))
        if branch.state == "cancelled":
            assert spans(branch) == truth(branch)[: len(branch.steps)]
        elif not _pending(branch):
            assert spans(branch) == (truth(branch) if branch.finish else _ended(branch))
        if tree.grammar.has_head:
            assert all(step.logit in (1.0, 2.0) for step in branch.steps)

    async def end(self) -> None:
        """Cancel everything; every waiter must come back and every branch be released exactly once."""
        for branch in self.branches:
            branch.cancel()
        await asyncio.wait_for(asyncio.gather(*self.tasks), timeout=5)
        assert Counter(notes(self.branches[0]).released) == Counter(self.branches)


def _pending(branch: Branch) -> bool:
    """Whether a step of it has ended and is not graded yet."""
    return branch.awaiting is not None or branch.state == "grading"


def _ended(branch: Branch) -> list[tuple[int, int]]:
    """The steps of the rule that end at a step token, whether graded yet or not."""
    segmenter = branch.tree.grammar.segmenter
    stops = [end + 1 for end in segmenter.ends(branch.ids, 0, branch.forced)]
    return list(zip([segmenter.span(branch.ids).start, *stops], stops, strict=False))


async def _first(branch: Branch) -> None:
    async for _ in branch:
        return


async def _run(rules: dict[str, Any], moves: list[tuple[str, int, list[int]]]) -> None:
    program = Program(rules)
    for move in moves:
        await program.move(*move)
    await program.end()


@pytest.mark.parametrize("seed", range(20))
def test_steps_are_those_of_the_finished_trace(seed: int) -> None:
    """Each seed stands for 50 programs of 40 moves."""
    rng = random.Random(seed)
    for _ in range(50):
        rules = random_rules(rng)
        moves = [(rng.choice(OPERATIONS), rng.randrange(8), rng.choices(TOKENS, k=rng.randint(0, 4))) for _ in range(40)]
        asyncio.run(_run(rules, moves))
