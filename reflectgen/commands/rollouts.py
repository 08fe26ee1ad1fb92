"""`reflectgen rollouts`: look at stores of rollouts, and join them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reflectgen.commands import options as opt

app = typer.Typer(name="rollouts", help="Look at stores of rollouts, and join them.", no_args_is_help=True)


@app.command("show")
def show(
    folder: Annotated[Path, typer.Argument(help="The store.", show_default=False)],
    as_json: opt.JSONOutput = False,
) -> None:
    """Show what a store holds, and what its traces come to.

    \b
    reflectgen rollouts show runs/words
    """
    from reflectgen.commands.sampling import print_summary
    from reflectgen.rollouts import Store

    print_summary(Store.open(folder), as_json=as_json)


@app.command("merge")
def merge(
    folders: Annotated[list[Path], typer.Argument(help="Stores of one model, prompt and sampling.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new store.", show_default=False)],
    compact: Annotated[bool, typer.Option("--compact", help="Leave out what can be computed again.")] = False,
    as_json: opt.JSONOutput = False,
) -> None:
    """Join stores of other problems, or of other seeds, into one.

    \b
    reflectgen rollouts merge runs/seed0 runs/seed1 --output runs/words
    reflectgen rollouts merge runs/words --compact --output runs/small

    The stores stay as they are. Samples of a problem that two stores hold are
    numbered on. A compact store has no prompts and texts: they are computed
    again from the task's problems and the model's tokenizer where needed.
    """
    from reflectgen.commands.sampling import print_summary
    from reflectgen.rollouts import Store
    from reflectgen.rollouts import merge as join

    print_summary(join([Store.open(folder) for folder in folders], output, compact=compact), as_json=as_json)
