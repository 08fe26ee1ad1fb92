"""`reflectgen study`: ablations in one table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reflectgen.commands import options as opt
from reflectgen.errors import OptionError

if TYPE_CHECKING:
    from reflectgen.config import StudyConfig

TRACES, ROWS = "Traces", "Rows"
"""Panels of the help page."""


def study(
    recipe: Annotated[Path, typer.Argument(help="YAML file, e.g. recipes/tiny/study.yaml.", show_default=False)],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Changes to the recipe.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the table and its log.")] = Path("runs/study"),
    as_json: opt.JSONOutput = False,
    rollouts: Annotated[
        list[Path] | None,
        typer.Option("--rollouts", "-r", rich_help_panel=TRACES, help="Store to train on; may be given again."),
    ] = None,
    test: Annotated[
        Path | None, typer.Option(rich_help_panel=TRACES, help="Store of other problems, to measure every row on.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(rich_help_panel=TRACES, help="File of a compact training store's problems; may be given again."),
    ] = None,
    test_data: Annotated[list[Path] | None, typer.Option(rich_help_panel=TRACES, help="As --data, for --test.")] = None,
    section: Annotated[
        list[str] | None,
        typer.Option("--section", rich_help_panel=ROWS, help="Rows to make: layer, loss, ...; all that fit by default."),
    ] = None,
    off_policy: Annotated[
        list[str] | None,
        typer.Option(rich_help_panel=ROWS, metavar="NAME=DIR", help="A row that trains on this store of another model."),
    ] = None,
    prm_backbone: Annotated[
        str | None, typer.Option(rich_help_panel=ROWS, help="A row with a separate model that re-reads the traces.")
    ] = None,
    finished: Annotated[
        list[str] | None,
        typer.Option(rich_help_panel=ROWS, metavar="NAME=PATH", help="A row for this trained head, or model with a head."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", rich_help_panel=opt.MODEL, help="The policy, in place of the recipe's.")
    ] = None,
    device: opt.Device = "auto",
    dtype: opt.Dtype = "auto",
) -> None:
    """Train a head for each of many variations and measure all of them on the same traces: one table with intervals.

    \b
    reflectgen study recipes/tiny/study.yaml -o runs/study-tiny
    reflectgen study recipes/qwen2.5-coder-0.5b/study.yaml -m MODEL \\
        -r runs/mbpp --test runs/humaneval -o runs/study-code
    reflectgen study my.yaml --section loss --finished joint=runs/joint

    Every row that is done is kept in --output: the same command again, or one
    with more sections, goes on from there.
    """
    from reflectgen.commands import table as shown
    from reflectgen.commands.progress import bars
    from reflectgen.config import StudyConfig, load_recipe
    from reflectgen.study.run import MARKDOWN, run

    given = {
        "model": model, "rollouts": rollouts, "test": test, "data": data, "test_data": test_data, "sections": section,
        "off_policy": _named(off_policy), "prm_backbone": prm_backbone, "finished": _named(finished),
    }  # fmt: skip
    config = load_recipe(StudyConfig, recipe, overrides or ())
    config = StudyConfig.parse(
        {**config.model_dump(), **{name: value for name, value in given.items() if value}}, "The options"
    )
    try:
        config = _sampled(config, output, device, dtype)
        with bars() as progress:
            table = run(config, output, device=device, dtype=dtype, progress=progress)
    except KeyboardInterrupt:
        kept = f"what is done is kept in {output}"
        raise KeyboardInterrupt(f"Interrupted: {kept}. The same command goes on from there.") from None
    if as_json:
        typer.echo(json.dumps(table.plain(), ensure_ascii=False))
    else:
        shown.show(table, output / MARKDOWN)


def _named(options: Sequence[str] | None) -> dict[str, str]:
    """NAME=VALUE options as a table; raises `OptionError` where one has another form."""
    found = {}
    for option in options or ():
        name, equals, value = option.partition("=")
        if not (name and equals and value):
            raise OptionError(f"'{option}' is not of the form NAME=PATH: the name is what the row will be called.")
        found[name] = value
    return found


def _sampled(config: StudyConfig, output: Path, device: str, dtype: str) -> StudyConfig:
    """The study with its own stores in place of those that nobody named, sampled as far as they are not there yet."""
    from reflectgen.commands.sampling import Source, fill
    from reflectgen.reflector import Options

    asked = config.sampling
    if asked is None:
        return config
    loading = opt.loading(
        model=config.model, head=None, engine="local", device=device, dtype=dtype, kv_budget=None,
        allow_backbone_mismatch=False, trust_remote_code=False,
    )  # fmt: skip

    def sampled(split: str, path: Path | None, problems: int) -> Path:
        source = Source(task=asked.task, data=path, split=split, limit=problems, seed=asked.seed)
        return fill(output / split, source, loading, k=asked.k, seed=asked.seed, sampling=Options()).folder

    output.mkdir(parents=True, exist_ok=True)
    training = config.rollouts or (sampled("train", asked.path, asked.problems),)
    test = config.test or sampled("test", asked.test_path, asked.test_problems)
    return config.model_copy(update={"rollouts": training, "test": test})
