"""`reflectgen train`: run a training recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[Path, typer.Argument(help="YAML file, e.g. recipes/tiny/supervised.yaml.", show_default=False)],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Changes to the recipe.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for checkpoints and the model.")] = Path("runs/model"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew instead of going on from the last checkpoint.")] = False,
) -> None:
    """Train a reflective model: the language model and its SPRM head together.

    \b
    reflectgen train recipes/tiny/supervised.yaml --output runs/tiny
    reflectgen train recipes/tiny/supervised.yaml --output runs/tiny seed=1

    The same command again goes on from the last checkpoint in --output.
    """
    from reflectgen.config import SupervisedConfig, load_recipe
    from reflectgen.train import sft

    config = load_recipe(SupervisedConfig, recipe, overrides or ())
    try:
        sft.run(config, output, resume=not fresh)
    except KeyboardInterrupt:
        kept = f"checkpoints are in {output}-checkpoints"
        raise KeyboardInterrupt(f"Interrupted: {kept}. The same command goes on from the last one.") from None
