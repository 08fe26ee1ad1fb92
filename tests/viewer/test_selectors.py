"""The page's selectors decide as the package's do."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from reflectgen import select
from reflectgen.answers import canonical
from reflectgen.types import Finish, Step, Trajectory

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

CHOOSE = """async ({ runs }) => {
  const { Run } = await import("/viewer/run.js");
  const { SELECTORS, choose } = await import("/viewer/select.js");
  const decide = (events) => {
    const run = new Run();
    events.forEach((event) => run.apply(event));
    return Object.fromEntries(Object.keys(SELECTORS).map((name) => {
      const choice = choose(name, run.ended);
      return [name, choice && [choice.branch.id, choice.answer, choice.share]];
    }));
  };
  return runs.map(decide);
}"""
KEYS = """async ({ answers }) => { const { ballotKey } = await import("/viewer/answers.js"); return answers.map(ballotKey); }"""
SPELLINGS = {
    "1234.5": ("1,234.50", "$1234.5$", "1 234.5 ", "\\boxed{1234.5}", "1234.5.", "2469/2"),
    "-3": ("-3", "\u22123", "-3.0", "-3 %"),
    "yes": ("Yes", "yes.", " YES"),
    "x+1": ("x + 1", "$x+1$"),
}
"""A key -> answers that count as one."""


def trajectory(random: random.Random, index: int) -> Trajectory:
    """One of a few answers, with figures of so few values that ties are common."""
    scores = [random.choice((0.25, 0.5, 1.0)) for _ in range(random.randint(1, 3))]
    steps = tuple(
        Step(text="So.", token_span=(place, place + 1), score=score, logit=0.0, logprob=-0.5, confidence=1.0)
        for place, score in enumerate(scores)
    )
    finishes: list[Finish] = ["stop", "stop", "length", "cancelled", "failed"]
    return Trajectory(
        id=str(index),
        parent=None,
        token_ids=(),
        thinking="",
        reply="",
        answer=random.choice(("1", "1.0", "2", "3", None)),
        steps=steps,
        score=random.choice((0.25, 0.5, 0.75)),
        logprob=random.choice((-1.0, -0.5, -0.25)),
        confidence=random.choice((1.0, 2.0)),
        tokens=random.choice((3, 4)),
        finish=random.choice(finishes),
    )


def events(trajectories: list[Trajectory]) -> list[dict[str, Any]]:
    """What the page is told of them."""
    told: list[dict[str, Any]] = []
    for one in trajectories:
        for index, step in enumerate(one.steps):
            told.append({"type": "step", "branch": one.id, "index": index, "text": step.text, "score": step.score})
        names = ("finish", "answer", "score", "logprob", "confidence", "tokens", "thinking", "reply")
        told.append({"type": "end", "branch": one.id, "why": "", **{name: getattr(one, name) for name in names}})
    return told


def test_they_decide_as_the_package_does(page: Page) -> None:
    draw = random.Random(0)
    runs = [[trajectory(draw, index) for index in range(draw.randint(1, 9))] for _ in range(400)]
    found = page.evaluate(CHOOSE, {"runs": [events(run) for run in runs]})
    assert set(found[0]) == set(select.SELECTORS) - {"blend", "weighted:blend"}
    for run, decided in zip(runs, found, strict=True):
        for name, choice in decided.items():
            wanted = select.select(name, run)
            if wanted.index is None:
                assert choice is None, (name, run)
            else:
                assert choice == [run[wanted.index].id, wanted.answer, pytest.approx(wanted.share)], (name, run)


def test_nothing_is_chosen_from_nothing(page: Page) -> None:
    assert set(page.evaluate(CHOOSE, {"runs": [[]]})[0].values()) == {None}


def test_answers_that_the_package_counts_as_one_are_one_here(page: Page) -> None:
    for key, answers in SPELLINGS.items():
        assert set(page.evaluate(KEYS, {"answers": list(answers)})) == {key}
        assert len({canonical(answer) for answer in answers}) == 1
