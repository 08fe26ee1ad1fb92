"""A problem's stored traces as the best-of-N that they make up, for who wants to look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reflectgen.rollouts import Rollout
from reflectgen.select import select as decide
from reflectgen.train.texts import Texts
from reflectgen.types import Problem, Result, Trajectory


def replayed(rows: Sequence[Rollout], texts: Texts, select: str) -> Result:
    """The search whose branches are `rows`, all traces of one problem, decided by the selector of that name.

    Raises what `reflectgen.select.select` raises, and `InputError` where a compact store's problem is needed and not there.
    """
    trajectories = tuple(_trajectory(row, texts) for row in rows)
    choice = decide(select, trajectories)
    return Result(
        problem=Problem(text=texts.question(rows[0]), id=rows[0].problem_id),
        answer=choice.answer,
        choice=choice,
        trajectories=trajectories,
        cost=rows[0].cost,
        strategy="best_of_n",
        select=select,
        seed=rows[0].seed,
    )


def _trajectory(row: Rollout, texts: Texts) -> Trajectory:
    steps = tuple(replace(step, text=text) for step, text in zip(row.steps, texts.steps(row), strict=True))
    return replace(row.trajectory(), steps=steps, thinking=texts.thinking(row), reply=texts.reply(row))
