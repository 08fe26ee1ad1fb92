"""Seconds and memory that the report of a store takes, on a made-up store.

    python bench/report.py [--problems 200] [--samples 64] [--tokens 300] [--json]

Every selector with every aggregate at every k, with intervals, what scores are worth, and the page without pictures. The store
is written to a temporary folder and is not part of what is timed; its values say nothing.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from reflectgen.evaluate.book import Book
from reflectgen.evaluate.pages.book import document
from reflectgen.evaluate.pages.html import html
from reflectgen.rollouts import Header
from reflectgen.rollouts.shard import KEY, shard_name, write_table

HEADER = Header(
    task="made-up", model="none", backbone="none", head="none", engine="none", step_rule="paper", prompt={}, sampling={}
)  # fmt: skip
SHARD = 1_024
"""Traces of a shard, about."""
NUMBER = pa.float32()


def lists(lengths: np.ndarray, values: pa.Array) -> pa.Array:
    """A column of lists of these lengths."""
    return pa.ListArray.from_arrays(pa.array(np.append(0, np.cumsum(lengths)), pa.int32()), values)


def shard(rng: np.random.Generator, first: int, problems: int, samples: int, tokens: int) -> pa.Table:
    """`samples` traces of each of `problems` problems, half of them right, of four to twelve steps."""
    rows = problems * samples
    right = rng.random(rows) < np.repeat(rng.beta(0.6, 0.9, problems), samples)
    written, steps = rng.integers(tokens // 2, tokens * 3 // 2, rows), rng.integers(4, 13, rows)
    logits = rng.normal(size=steps.sum()) + 1.2 * np.repeat(right, steps)
    scores = 1 / (1 + np.exp(-logits))
    starts = np.cumsum(steps) - steps
    spans = [pa.array(np.arange(steps.sum()) + offset, pa.int32()) for offset in (0, 1)]
    grades = [pa.array(values, NUMBER) for values in (scores, logits, -rng.random(steps.sum()), rng.random(steps.sum()))]
    cost = {"tokens_prefilled": 50, "tokens_scored": 0, "forward_passes": 400, "seconds": 3.0}
    none: list[Any] = [None] * rows
    columns = {
        "problem_id": [f"p{first + row // samples}" for row in range(rows)],
        "sample": pa.array(np.arange(rows) % samples, pa.int32()),
        "seed": pa.array(np.zeros(rows), pa.int64()),
        "prompt_hash": pa.array(first + np.arange(rows) // samples, pa.int64()),
        "problem": pa.array(none, pa.string()),
        "text": pa.array(none, pa.string()),
        "token_ids": lists(written, pa.array(rng.integers(0, 30_000, written.sum()), pa.int32())),
        "forced_spans": pa.array([[]] * rows, pa.list_(pa.struct({"start": pa.int32(), "stop": pa.int32()}))),
        "steps": lists(
            steps,
            pa.StructArray.from_arrays([*spans, *grades], ["start", "stop", "score", "logit", "logprob", "confidence"]),
        ),
        "score": pa.array(np.exp(np.add.reduceat(np.log(scores), starts) / steps), NUMBER),
        "logprob": pa.array(-rng.random(rows) - 0.2 * ~right, NUMBER),
        "confidence": pa.array(rng.random(rows), NUMBER),
        "tokens": pa.array(written, pa.int32()),
        "answer": np.where(right, "7", (100 + rng.geometric(0.12, rows)).astype(str)).tolist(),
        "correct": right.tolist(),
        "finish": ["stop"] * rows,
        "cost": [{"tokens_generated": 1, **cost}] * rows,
    }
    return pa.table(columns).replace_schema_metadata({KEY: HEADER.encode()})


def measure(problems: int, samples: int, tokens: int) -> dict[str, float]:
    """Write a store and report it."""
    rng, each = np.random.default_rng(0), max(1, SHARD // samples)
    with tempfile.TemporaryDirectory() as name:
        for index, first in enumerate(range(0, problems, each)):
            table = shard(rng, first, min(each, problems - first), samples, tokens)
            write_table(Path(name) / shard_name(index), table)
        wall, busy = time.perf_counter(), time.process_time()
        book = Book.of([Path(name)])
        book.plain()
        decided = time.perf_counter() - wall
        page = html(document(book, "", drawn=False))
    return {
        "traces": problems * samples,
        "rows": len(book.plain()["folders"][0]["rows"]),
        "seconds": round(decided, 1),
        "seconds_with_page": round(time.perf_counter() - wall, 1),
        "processor_seconds": round(time.process_time() - busy, 1),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024),
        "page_kilobytes": round(len(page) / 1_024),
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=200, help="problems (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=64, help="traces of each (default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=300, help="mean length of a trace (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    found = measure(options.problems, options.samples, options.tokens)
    print(json.dumps(found, indent=2) if options.json else "\n".join(f"{name}: {value:,}" for name, value in found.items()))


if __name__ == "__main__":
    main()
