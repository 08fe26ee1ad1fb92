"""The engines that need nothing but themselves keep the contract."""

from __future__ import annotations

from functools import cache
from typing import Any

from engine import tiny_reflective
from engine.contract import Contract

from reflectgen.engine.naive import NaiveEngine
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.model.reflective import ReflectiveModel

SCRIPTS = (
    Script("I add.\n\nIt is 3.\n\n</think>", reply="3", logits=(0.5, 2.0), logprobs=(-0.5, -1.5, -0.25)),
    Script("It is 4.</think>", reply="4", logits=(-1.0,)),
    Script("One.\n\nTwo.\n\nThree.\n\nFour.", logits=(1.0, 0.5, 0.0), confidences=(3.0, 2.0)),
    Script("Let me see: " + "and so on, " * 20),
    Script("<think>First.\n\nSecond.\n\n</think>Third.\n\n</think>", reply="a long reply, " * 5),
)


class TestScripted(Contract):
    rescored = False
    varied = False

    def make(self, pool: str = "token", **head: Any) -> Any:
        """What is read makes no difference to a script."""
        return ScriptedEngine(SCRIPTS, **head, context=256, memory=1000)


@cache
def model() -> ReflectiveModel:
    return tiny_reflective.model()


class TestNaive(Contract):
    seeds = range(8)

    def make(self, **head: Any) -> Any:
        return NaiveEngine(model(), tiny_reflective.grammar(**head), tiny_reflective.CONTEXT)
