"""`reflectgen retrofit`: a head for a model as it is, from stored rollouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reflectgen.commands import options as opt
from reflectgen.errors import InputError, unknown

if TYPE_CHECKING:
    from reflectgen.config import RetrofitStage
    from reflectgen.train.retrofit import Report

TRAINING, TESTING, SHARING = "Training", "Testing", "Sharing"
"""Panels of the help page."""
SEARCHES = ("layer",)
"""What `--search` may choose."""


def retrofit(
    rollouts: Annotated[list[Path], typer.Option("--rollouts", "-r", help="Store to train on; may be given again.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the head.", show_default=False)],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Changes to the recipe.")] = None,
    config: Annotated[
        Path | None, typer.Option(rich_help_panel=TRAINING, help="YAML recipe; defaults that fit most models without.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(rich_help_panel=TRAINING, help="layer: try the states of every block, keep the best.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(rich_help_panel=TRAINING, help="Step labels of the stores to train on, not the outcome.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(rich_help_panel=TRAINING, help="File of a compact store's problems; may be given again."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(rich_help_panel=TRAINING, help="Folder for the states that are read; beside each store.")
    ] = None,
    off_policy: Annotated[
        bool, typer.Option("--off-policy", rich_help_panel=TRAINING, help="Take traces of another model, too.")
    ] = False,
    test: Annotated[
        Path | None, typer.Option(rich_help_panel=TESTING, help="Store of other problems to measure the head on.")
    ] = None,
    test_data: Annotated[list[Path] | None, typer.Option(rich_help_panel=TESTING, help="As --data, for --test.")] = None,
    push_to_hub: Annotated[
        str | None, typer.Option(rich_help_panel=SHARING, metavar="REPO", help="Put the head on the Hub as well.")
    ] = None,
    public: Annotated[
        bool, typer.Option("--public", rich_help_panel=SHARING, help="For all to see; private by default.")
    ] = False,
    as_json: opt.JSONOutput = False,
    model: opt.Model = "tiny",
    device: opt.Device = "auto",
    dtype: opt.Dtype = "auto",
    trust_remote_code: opt.TrustRemoteCode = False,
) -> None:
    """Make a model reflective without changing it: train an SPRM head on stored rollouts.

    \b
    reflectgen rollout --data train.jsonl --model Qwen/Qwen3-0.6B -o runs/train
    reflectgen retrofit --model Qwen/Qwen3-0.6B -r runs/train -o my-head
    reflectgen solve "..." --model Qwen/Qwen3-0.6B --head my-head

    \b
    reflectgen retrofit -m M -r DIR -o my-head --search layer --test OTHER
    reflectgen retrofit -m M -r DIR -o my-head loss=pairwise head.layer=-4

    The output is the head alone, a few MB that name their backbone. States
    are read once and kept, so a second training on them takes moments. The
    same command again goes on where it was stopped.
    """
    if search is not None and search not in SEARCHES:
        raise unknown("search", search, SEARCHES)
    if public and push_to_hub is None:
        raise InputError("--public says how a head is put on the Hub: give --push-to-hub REPO as well.")
    from reflectgen.config import RetrofitConfig, RetrofitStage, load_recipe

    recipe = load_recipe(RetrofitConfig, config, overrides or ())
    given = {
        "model": model, "rollouts": rollouts, "data": data or (), "labels": labels, "search": search, "test": test,
        "test_data": test_data or (), "cache": cache, "off_policy": off_policy, "device": device, "dtype": dtype,
        "trust_remote_code": trust_remote_code,
    }  # fmt: skip
    work = RetrofitStage.parse({**recipe.model_dump(), **given}, "The options")
    train_head(work, output, as_json=as_json)
    if push_to_hub is not None:
        _push(output, push_to_hub, public)


def train_head(work: RetrofitStage, output: Path, *, as_json: bool = False) -> None:
    """Do what a recipe of the stage `retrofit` says, and tell what came of it."""
    from reflectgen.commands.progress import bars
    from reflectgen.train.retrofit import run

    with bars() as progress:
        report = run(work, output, progress)
    typer.echo(json.dumps(report.plain(), indent=2)) if as_json else _show(report, output)


def _show(report: Report, output: Path) -> None:
    from reflectgen.commands import selection
    from reflectgen.commands.show import console

    screen, head = console(), report.head
    if report.layers:
        screen.print("Heads by the states that they read, on the validation part [95 % interval, in %]\n")
        screen.print(selection.layers(report.layers), "")
    parts = {"Validation part (it also stopped the training and calibrated the head)": head.validation, "Test": report.test}
    for title, figures in parts.items():
        if figures is not None:
            screen.print(f"{title}: {selection.summary(figures)}\n", markup=False)
            screen.print(selection.selectors(figures))
            screen.print(f"\n{selection.gains(figures)}\n", markup=False)
    training, testing = report.problems
    typer.echo(
        f"The head is in {output}: layer {head.config.layer}, trained on {training} problems and validated on {testing}, "
        f"mean of {len(head.trainings)} seeds, temperature {head.config.temperature:.2f}."
    )


def _push(output: Path, repo: str, public: bool) -> None:
    from reflectgen.model.share import push_head

    typer.echo(f"The head is at {push_head(output, repo, private=not public)}.", err=True)
