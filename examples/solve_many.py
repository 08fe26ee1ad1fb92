"""Solve a file of problems and see what the answers would be worth under other selectors: sampled once, decided often.

python examples/solve_many.py [MODEL]
"""

import sys
from pathlib import Path

import reflectgen
from reflectgen import tasks
from reflectgen.select import needs_head, select

task = tasks.named("jsonl")
problems = task.load(Path(__file__).with_name("problems.jsonl"), "test", None, 0)

with reflectgen.load(*sys.argv[1:2]) as model:
    results = list(model.solve_many(problems, k=8, seed=0))
    has_head = model.engine.grammar.has_head

for name in ("majority", "logprob", "shortest", "sprm", "weighted"):
    if has_head or not needs_head(name):
        right = sum(task.grade(select(name, result.trajectories).answer, result.problem) for result in results)
        print(f"{name:10} {right} of {len(results)} right")
