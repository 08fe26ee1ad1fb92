"""AIME 2025: the 30 problems of both papers. Format, prompt and grading: `reflectgen.tasks.aime`.

On the Hub they are read from math-ai/aime25.
"""

from __future__ import annotations

from reflectgen.tasks.aime import LICENCE, SOURCE, loader
from reflectgen.tasks.base import Hub, Task

TASK = Task(
    name="aime25",
    source=f"MAA 2025, {SOURCE}",
    licence=LICENCE,
    load=loader("aime25"),
    instruction="",
    hub=Hub(dataset="math-ai/aime25", files={"test": ("test.jsonl",)}),
    size=30,
)
