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

    def make(self, offset: int = -1) -> Any:
        return ScriptedEngine(SCRIPTS, offset=offset, context=256, memory=1000)


@cache
def model(offset: int) -> ReflectiveModel:
    return tiny_reflective.model(offset=offset)


class TestNaive(Contract):
    seeds = range(8)

    def make(self, offset: int = -1) -> Any:
        return NaiveEngine(model(offset), tiny_reflective.grammar(offset=offset), tiny_reflective.CONTEXT)
