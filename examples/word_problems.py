"""Problems with answers to make a model reflective on: word problems of one and two steps, in two
files that have no problem in common.

    python examples/word_problems.py [runs/words] [--train 300] [--test 200] [--seed 0]

A row of `train.jsonl` and `test.jsonl` is {"id", "problem", "answer"}: what `reflectgen rollout --data` reads.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

NAMES = ("Tom", "Ana", "Mia", "Leo", "Sam", "Eva", "Ben", "Zoe")
ITEMS = ("apples", "shells", "coins", "cards", "books", "pens", "stamps", "beads")

MOST = 10_000
"""Problems that are drawn without meeting the same ones all the time."""

Solve = Callable[[int, int, int], int]
KINDS: tuple[tuple[str, Solve], ...] = (
    ("{name} has {a} {items} and buys {b} more.", lambda a, b, c: a + b),
    ("{name} has {ab} {items} and gives {b} of them away.", lambda a, b, c: a),
    ("{name} fills {c} boxes with {a} {items} each.", lambda a, b, c: c * a),
    ("{name} has {a} {items}, buys {b} more, and then loses {c}.", lambda a, b, c: a + b - c),
    ("{name} fills {c} boxes with {a} {items} each, and has {b} {items} beside them.", lambda a, b, c: c * a + b),
)
"""Text of a problem and its answer, of which a is in 3..12, b in 2..9 and c in 2..3; `ab` is a + b."""


def make(rng: Random) -> dict[str, str]:
    """A problem and its answer."""
    a, b, c = rng.randint(3, 12), rng.randint(2, 9), rng.randint(2, 3)
    text, solve = rng.choice(KINDS)
    name, items = rng.choice(NAMES), rng.choice(ITEMS)
    told = text.format(name=name, items=items, a=a, b=b, c=c, ab=a + b)
    return {"problem": f"{told} How many {items} does {name} have now?", "answer": str(solve(a, b, c))}


def distinct(n: int, seed: int) -> list[dict[str, str]]:
    """`n` problems, no two of one text."""
    rng = Random(seed)
    found: dict[str, dict[str, str]] = {}
    while len(found) < n:
        row = make(rng)
        found.setdefault(row["problem"], {"id": str(len(found)), **row})
    return list(found.values())


def write(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """A JSON row a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def main() -> None:
    """Make the problems and write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path("runs/words"), help="where to write (default: %(default)s)"
    )
    parser.add_argument("--train", type=int, default=300, help="problems to train on (default: %(default)s)")
    parser.add_argument("--test", type=int, default=200, help="problems to measure on (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="draws the problems (default: %(default)s)")
    given = parser.parse_args()
    if given.train + given.test > MOST:
        parser.error(f"There are too few different problems for that: ask for at most {MOST} in all.")
    rows = distinct(given.train + given.test, given.seed)
    given.folder.mkdir(parents=True, exist_ok=True)
    write(given.folder / "train.jsonl", rows[: given.train])
    write(given.folder / "test.jsonl", rows[given.train :])


if __name__ == "__main__":
    main()
