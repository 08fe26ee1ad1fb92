"""Stores of what a scripted engine wrote, for tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reflectgen.config import PromptConfig, Sampling
from reflectgen.engine.pieces import PieceTokenizer
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.reflector import Reflector
from reflectgen.rollouts import Header, Rollout, Store
from reflectgen.types import Problem

SUM = Problem(text="What is 2 + 2?", id="sum", answers=("4",))
GOOD = Script("Two and two.\n\nThat is 4.\n\n</think>", reply="\\boxed{4}")
POOR = Script("Two and two.\n\nThat is 5.\n\n</think>", reply="\\boxed{5}")


def tokenizer(*texts: str) -> PieceTokenizer:
    """A vocabulary for the scripts of this module and more."""
    known = [text for script in (GOOD, POOR) for text in (script.text, script.reply)]
    return PieceTokenizer([*known, SUM.text, *texts])


Scripts = Sequence[Script] | Mapping[str, Sequence[Script]]


def engine(scripts: Scripts, words: PieceTokenizer, **settings: Any) -> ScriptedEngine:
    """Plays scripts in the vocabulary `words`."""
    return ScriptedEngine(scripts, tokenizer=words, **settings)


def rollouts(scripts: Sequence[Script], words: PieceTokenizer, **settings: Any) -> list[Rollout]:
    """A trace of the problem `SUM` for each script; `max_tokens` is the sampling's, the other settings are the engine's."""
    limit = settings.pop("max_tokens", 4096)
    writer = engine(scripts, words, **settings)
    with Reflector(writer, writer.encode) as model:
        result = model.solve(SUM, k=len(scripts), max_tokens=limit)
    prompt = words.encode(SUM.text)
    return [
        Rollout.of(SUM, sample, 0, prompt, trajectory, trajectory.answer == "4", result.cost)
        for sample, trajectory in enumerate(result.trajectories)
    ]


def store(folder: Path, rows: Sequence[Rollout]) -> Store:
    """A store of the task jsonl with these rows, in one shard."""
    header = Header(
        task="jsonl",
        model="scripted",
        backbone="",
        head="",
        engine="scripted",
        step_rule="paper",
        prompt=PromptConfig().model_dump(mode="json"),
        sampling=Sampling().model_dump(mode="json"),
    )
    made = Store.create(folder, header)
    made.write_shard(0, rows)
    return Store.open(folder)


def data(path: Path) -> Path:
    """The file of problems that the store was sampled from."""
    path.write_text(json.dumps({"problem": SUM.text, "id": SUM.id, "answer": "4"}) + "\n")
    return path
