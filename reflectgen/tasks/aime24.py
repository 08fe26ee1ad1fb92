"""AIME 2024: the 30 problems of both papers. Format, prompt and grading: `reflectgen.tasks.aime`.

On the Hub they are read from HuggingFaceH4/aime_2024. The authors of arXiv 2507.01951 average 64 samples of each problem.
"""

from __future__ import annotations

from reflectgen.tasks.aime import LICENCE, SOURCE, loader
from reflectgen.tasks.base import Hub, Task

TASK = Task(
    name="aime24",
    source=f"MAA 2024, {SOURCE}",
    licence=LICENCE,
    load=loader("aime24"),
    instruction="",
    hub=Hub(dataset="HuggingFaceH4/aime_2024", files={"test": ("data/train-*.parquet",)}),
    size=30,
    ran_on="30 rows",
)
