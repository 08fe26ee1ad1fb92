"""What the ways of `bench/engine.py` share: a model, its prompts, the rows and their length, and how an engine draws them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from transformers import GenerationConfig

from reflectgen import prompts
from reflectgen.config import HeadConfig, Sampling
from reflectgen.engine.base import Engine
from reflectgen.engine.branch import Branch
from reflectgen.engine.grammar import Grammar
from reflectgen.engine.local.attention import register
from reflectgen.load import grammar, locate
from reflectgen.model.head import SPRMHead
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.shipped import open_model
from reflectgen.model.tokenizer import load_tokenizer
from reflectgen.tasks import wordproblems

LONGEST = 200
"""Tokens of a row at most where the model ends it."""


@dataclass(frozen=True)
class Bench:
    """What all ways share."""

    slots: ReflectiveModel
    """The model with the local engine's attention."""
    plain: ReflectiveModel
    """The same weights with transformers' default attention."""
    grammar: Grammar
    prompts: list[list[int]]
    k: int
    tokens: int | None
    pad: int

    @property
    def rows(self) -> list[list[int]]:
        """Each prompt k times."""
        return [prompt for prompt in self.prompts for _ in range(self.k)]

    def generation(self) -> GenerationConfig:
        """The sampling in transformers' terms."""
        fixed = {"min_new_tokens": self.tokens, "max_new_tokens": self.tokens, "eos_token_id": -1}
        free = {"max_new_tokens": LONGEST, "eos_token_id": sorted(self.grammar.eos)}
        ends = fixed if self.tokens else free
        return GenerationConfig(do_sample=True, temperature=1.0, top_p=1.0, top_k=0, pad_token_id=self.pad, **ends)

    def kept(self, row: Sequence[int]) -> int:
        """Tokens of a row up to its end-of-text token."""
        ends = [index + 1 for index, token in enumerate(row) if token in self.grammar.eos]
        return len(row) if self.tokens or not ends else ends[0]


async def draw(bench: Bench, engine: Engine) -> float:
    """Tokens per second of an engine's branches; the engine is closed afterwards."""
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=bench.tokens or LONGEST)
    began = time.perf_counter()
    branches = [branch for prompt in bench.prompts for branch in engine.branches(prompt, bench.k, sampling, seed=0)]
    await asyncio.gather(*(_finish(branch, bench.tokens is None) for branch in branches))
    seconds = time.perf_counter() - began
    await engine.close()
    errors = [branch.error for branch in branches if branch.error]
    assert not errors, errors[0]
    return sum(len(branch.ids) for branch in branches) / seconds


async def _finish(branch: Branch, answered: bool) -> None:
    await branch.ended()
    if answered:
        await branch.answer()


def prepare(model: str, problems: int, k: int, tokens: int | None, dtype: str) -> Bench:
    """Load the model twice, once with each attention, and write the prompts."""
    name = locate(model)
    slots = open_model(name, attn_implementation=register(), dtype=dtype, device="cpu")
    plain = open_model(name, dtype=dtype, device="cpu")
    tokenizer = load_tokenizer(name)
    rule = grammar(slots, tokenizer)
    if slots.head is None:
        head = SPRMHead(HeadConfig(hidden_size=slots.backbone.config.hidden_size, step_rule=rule.segmenter.rule)).eval()
        slots, plain = ReflectiveModel(slots.backbone, head), ReflectiveModel(plain.backbone, head)
    if tokens:
        rule = replace(rule, eos=frozenset(), segmenter=replace(rule.segmenter, tags=None))
    texts = [wordproblems.generate("test", 0, index).text for index in range(problems)]
    encoded = [list(prompts.encode(text, plain.prompt_config(tokenizer), tokenizer)) for text in texts]
    return Bench(slots, plain, replace(rule, has_head=True), encoded, k, tokens, tokenizer.pad_token_id or 0)
