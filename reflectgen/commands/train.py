"""`reflectgen train`: run a training recipe of any stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reflectgen.config import Config
    from reflectgen.train.samples import Sample


def train(
    recipe: Annotated[Path, typer.Argument(help="YAML file, e.g. recipes/tiny/supervised.yaml.", show_default=False)],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Changes to the recipe.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for checkpoints and the model.")] = Path("runs/model"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew instead of going on from the last checkpoint.")] = False,
) -> None:
    """Train a reflective model: the language model and its SPRM head together, or one of them.

    \b
    reflectgen train recipes/tiny/supervised.yaml --output runs/tiny
    reflectgen train recipes/tiny/joint.yaml --output runs/joint seed=1
    torchrun --nproc_per_node 8 -m reflectgen train recipes/metastone-s1-1.5b/joint.yaml task.path=train.jsonl

    The recipe's key `stage` says what is trained: sft (language model and head, from a corpus; the default), joint (both, by
    reinforcement learning), grpo (the language model alone) or retrofit (the head alone, from stored rollouts). The same
    command again goes on from the last checkpoint in --output.
    """
    stage, config = read(recipe, overrides or ())
    try:
        RUNS[stage](config, output, not fresh)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"Interrupted: {KEPT[stage].format(output=output)} The same command goes on.") from None


def read(recipe: Path, overrides: Sequence[str]) -> tuple[str, Config]:
    """The stage of a recipe, and its configuration."""
    from reflectgen.config import STAGES, Recipe, load_recipe
    from reflectgen.errors import unknown

    values = load_recipe(Recipe, recipe, overrides)
    if values.stage not in STAGES:
        raise unknown("stage", values.stage, STAGES)
    return values.stage, STAGES[values.stage].parse(values.settings, str(recipe))


def _supervised(config: Any, output: Path, resume: bool) -> None:
    from reflectgen.train import sft

    sft.run(config, output, resume=resume)


def _reinforced(config: Any, output: Path, resume: bool) -> None:
    from reflectgen.train import joint

    joint.run(config, output, resume=resume, show=show)


def _retrofitted(config: Any, output: Path, resume: bool) -> None:
    from reflectgen.commands.retrofit import train_head
    from reflectgen.errors import OptionError

    if not resume:
        raise OptionError("The stage retrofit keeps no checkpoints that --fresh could pass over: give another --output.")
    train_head(config, output)


RUNS: dict[str, Callable[[Any, Path, bool], None]] = {
    "sft": _supervised,
    "joint": _reinforced,
    "grpo": _reinforced,
    "retrofit": _retrofitted,
}
"""Stage -> what runs its configuration."""

CHECKPOINTS = "checkpoints are in {output}-checkpoints."
KEPT = {"sft": CHECKPOINTS, "joint": CHECKPOINTS, "grpo": CHECKPOINTS, "retrofit": "states that were read are kept."}
"""Stage -> what an interrupted run leaves."""


def show(update: int, samples: Sequence[Sample]) -> None:
    """A table of sample traces, each step behind its score."""
    from rich.table import Table
    from rich.text import Text

    from reflectgen.commands.show import colour, console

    table = Table("problem", "answer", "score", "steps", title=f"Samples after {update} updates", show_lines=True)
    for sample in samples:
        answer = "right" if sample.correct else "wrong" if sample.ended else "cut off"
        steps = Text("\n").join(
            Text.assemble((f"{score:.2f} ", colour(score)), " ".join(text.split())) for text, score in sample.steps
        )
        table.add_row(sample.problem, answer, "" if sample.score is None else f"{sample.score:.2f}", steps)
    console(stderr=True).print(table)
