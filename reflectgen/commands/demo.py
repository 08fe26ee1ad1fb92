"""`reflectgen demo`: what the step scores are good for, on a page of problems that the bundled model has never seen."""

from __future__ import annotations

from typing import Annotated

import typer

from reflectgen.commands import options as opt


def demo(
    problems: Annotated[int, typer.Option("--problems", "-n", min=1, help="Word problems to solve.")] = 40,
    seed: opt.Seed = 0,
    device: opt.Device = "auto",
) -> None:
    """Solve a page of unseen word problems with the bundled model, and compare ways to choose an answer.

    \b
    reflectgen demo
    reflectgen demo --problems 100 --seed 1

    32 thinkings are sampled for each problem, once; low, medium and high effort are subsets of them. Takes one or two
    minutes on two cores.
    """
    from reflectgen.commands.comparison import run

    run(problems, seed, device)
