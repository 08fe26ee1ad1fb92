"""The bundled task as benches pose it: problems that nothing was tuned on, and the cache that their branches need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from reflectgen import load
from reflectgen.engine.local.cache import COLUMNS
from reflectgen.engine.local.engine import LocalEngine
from reflectgen.load import locate
from reflectgen.tasks import TASKS
from reflectgen.types import Problem

PROBLEM_SEED = 2029
THINKING = 128
"""Tokens that a thinking and its answer may take, beside the prompt."""


def unseen(count: int) -> list[Problem]:
    """So many problems."""
    return TASKS["wordproblems"].load(None, "test", count, PROBLEM_SEED)


def cache_bytes(model: str, problems: Sequence[Problem], rows: int) -> int:
    """Bytes of a cache for `rows` rows of the longest prompt and a whole thinking."""
    with load(locate(model)) as reflector:
        longest = max(len(reflector.encode(problem.text)) for problem in problems) + THINKING
        return cast(LocalEngine, reflector.engine).slots.token_bytes * -(-longest // COLUMNS) * COLUMNS * rows
