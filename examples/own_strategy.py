"""A search strategy of your own: give up on the weaker half of the branches after their first step.

A strategy sees only branches, so it can be written and tried with scripted ones, without a model:

    python examples/own_strategy.py

With a model it is used by its name, where Python finds the module:

    PYTHONPATH=examples reflectgen solve "..." --strategy own_strategy:halve
"""

from reflectgen import Reflector
from reflectgen.engine.base import Engine
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.search import Request
from reflectgen.types import Result


async def halve(engine: Engine, request: Request) -> Result:
    """Write one step in every branch, go on with the better half, and choose among those that answered."""
    branches = engine.branches(request.prompt, request.k, request.sampling, request.seed, pace="step")
    for branch in branches:
        await anext(branch, None)
    ranked = sorted(branches, key=lambda branch: branch.score or 0.0, reverse=True)
    for branch in ranked[(request.k + 1) // 2 :]:
        branch.cancel()
    for branch in branches:
        async for _ in branch:
            request.observe(branch)
        await branch.answer()
    trajectories = request.freeze(branches)
    return request.result("halve", request.choose(trajectories), trajectories, branches[0].tree.cost)


def main() -> None:
    """Play two scripts, of which the second begins badly."""
    good = Script("Two and two.\n\nThat is 4.\n\n</think>", reply="\\boxed{4}", logits=(2.0, 2.0))
    poor = Script("Twenty-two?\n\nThat is 22.\n\n</think>", reply="\\boxed{22}", logits=(-2.0, 3.0))
    engine = ScriptedEngine([good, poor])
    with Reflector(engine, engine.encode) as model:
        for strategy in ("best_of_n", f"{__name__}:halve"):
            result = model.solve("What is 2 + 2?", k=4, strategy=strategy)
            ends = [trajectory.finish for trajectory in result.trajectories]
            print(result.cost.tokens_generated, "tokens:", result.answer, ends)


if __name__ == "__main__":
    main()
