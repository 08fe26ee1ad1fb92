"""A search strategy of your own: give up on the weaker half of the branches after their first step.

A strategy says who thinks on and who does not; a Pool does it, keeps within the budget and notes what happened. It sees only
branches, so it can be written and tried with scripted ones, without a model:

    python examples/own_strategy.py

With a model it is used by its name, where Python finds the module:

    PYTHONPATH=examples reflectgen solve "..." --strategy own_strategy:halve --tree
"""

from reflectgen import Reflector
from reflectgen.engine.base import Engine
from reflectgen.engine.scripted import Script, ScriptedEngine
from reflectgen.search import Request
from reflectgen.search.pool import Pool
from reflectgen.types import Result


async def halve(engine: Engine, request: Request) -> Result:
    """Write one step in every branch, go on with the better half, and choose among those."""
    with Pool(engine, request, request.k, "step") as pool:
        await pool.step(pool.branches)
        pool.cancel(pool.ranked(pool.candidates)[(request.k + 1) // 2 :], "among the weaker half")
        await pool.think(pool.candidates)
        return await pool.conclude("halve", pool.candidates)


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
