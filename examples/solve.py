"""Solve a problem in many branches and look at what led to the answer.

python examples/solve.py [MODEL]
"""

import sys

import reflectgen

PROBLEM = "Leo has 8 cards. On Monday, Leo buys 6 pairs. On Tuesday, the pile shrinks to a half. How many cards is that?"

with reflectgen.load(*sys.argv[1:2]) as model:
    result = model.solve(PROBLEM, k=8, seed=0)

print(f"answer {result.answer} by {result.select} over {len(result.trajectories)} thinkings")
if result.chosen:
    for step in result.chosen.steps:
        print(f"{step.score:.3f}  {step.text.strip()}" if step.score is not None else step.text.strip())
print(result.cost)
