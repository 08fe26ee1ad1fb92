"""Equal seeds give equal searches, whatever else the engine computes; only the rule `memory` looks at what others do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from engine import tiny_reflective
from hypothesis import given, settings
from hypothesis import strategies as st

from reflectgen.config import Sampling
from reflectgen.engine.local.attention import register
from reflectgen.engine.local.engine import LocalEngine
from reflectgen.search import STRATEGIES, Request
from reflectgen.types import Problem, Result

MODEL = tiny_reflective.model(attn_implementation=register())
SAMPLING = Sampling(temperature=1.0, max_tokens=30, answer_tokens=6)
NAMES = sorted(STRATEGIES)


def request(seed: int, k: int) -> Request:
    text = f"What is {seed}?"
    prompt = tuple(tiny_reflective.TOKENIZER.encode(text))
    return Request(problem=Problem(text=text), prompt=prompt, k=k, sampling=SAMPLING, select="sprm", seed=seed)


async def together(searches: list[tuple[str, Request]], rows: int) -> list[Result]:
    """All at once on one engine, whose passes have that many rows."""
    engine = LocalEngine(MODEL, tiny_reflective.grammar(), max_rows=rows)
    results = await asyncio.gather(*(STRATEGIES[name](engine, asked) for name, asked in searches))
    assert engine.held == engine.waiting == 0
    await engine.close()
    return list(results)


def told(result: Result) -> tuple[Any, ...]:
    """All that a search came to, but for seconds and what was fed again."""
    written = [(one.id, one.parent, one.token_ids, one.finish) for one in result.trajectories]
    return result.answer, result.choice.index, written, result.cost.tokens_generated


@pytest.mark.parametrize("name", NAMES)
@given(
    seed=st.integers(0, 10**6), k=st.integers(1, 8), rows=st.integers(1, 5), others=st.lists(st.sampled_from(NAMES), max_size=3)
)
@settings(max_examples=4, deadline=None)
def test_a_search_is_the_same_alone_and_in_company(name: str, seed: int, k: int, rows: int, others: list[str]) -> None:
    searches = [(name, request(seed, k)), *((other, request(seed + place + 1, 4)) for place, other in enumerate(others))]
    alone = asyncio.run(together(searches[:1], 256))[0]
    company = asyncio.run(together(searches, rows))[0]
    assert told(alone) == told(company)
