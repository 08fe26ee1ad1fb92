"""A scripted model whose thinkings end at different lengths and disagree, and its problems."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reflectgen.config import PromptConfig, Sampling
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.identity import Identity
from reflectgen.reflector import Reflector
from reflectgen.types import Problem

IDENTITY = Identity(
    model="played", backbone="none-1x1-0", head="sprm-0", engine="scripted", dtype="float32", prompt=PromptConfig(system="S")
)
GOOD = Script(
    "One and one.\n\nThat is 2.\n\n</think>", reply="\\boxed{2}", logits=(1.0, 2.0), logprobs=(-0.5, -0.25), confidences=(3.0,)
)
POOR = Script("One and one.\n\n</think>", reply="\\boxed{3}", logits=(-1.0,), confidences=(1.0, 2.0))
LONG = Script("One.\n\nAnd one.\n\nThat is 3.\n\n</think>", reply="\\boxed{3}", logits=(0.0, 0.5, -0.5), confidences=(2.0,))
DEAD = Script("One and", fails_at=2)
PROBLEMS = [Problem(text=f"{index}?", id=f"p{index}", answers=("2",)) for index in range(5)]


def played(*scripts: Script, **settings: Any) -> Reflector:
    """A Reflector over `scripts`; `identity` and `sampling` are its own, the other settings the engine's."""
    identity = replace(IDENTITY, **settings.pop("identity", {}))
    sampling = settings.pop("sampling", Sampling(temperature=1.0))
    engine = ScriptedEngine(scripts or (POOR, LONG, GOOD, POOR), **settings)
    return Reflector(engine, engine.encode, identity=identity, sampling=sampling)
