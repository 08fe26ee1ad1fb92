"""`reflectgen import` and `reflectgen export`: heads in other projects' layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reflectgen.commands import options as opt


def import_head(
    file: Annotated[Path, typer.Argument(help="The head: score_module.pt, or another project's file.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.", show_default=False)],
    backbone: Annotated[
        str | None, typer.Option(help="The model it was trained on: its width is checked, its fingerprint noted.")
    ] = None,
    trust_remote_code: opt.TrustRemoteCode = False,
) -> None:
    """Turn another project's head into a native one: sprm_head.safetensors and reflectgen.json.

    \b
    reflectgen import score_module.pt --output head/
    reflectgen import scorer.pt --output head/ --backbone Qwen/Qwen3-4B-Thinking-2507

    The layout is known by the names of the file's tensors; no code in the file is run.
    """
    from reflectgen.commands.exchange import import_foreign

    config = import_foreign(file, output, backbone=backbone, trust_remote_code=trust_remote_code)
    typer.echo(f"A head of width {config.hidden_size} with the step rule {config.step_rule} is in {output}.")
    if not config.backbone:
        typer.echo("It knows no backbone yet: give --backbone to have it refuse others.")


def export_head(
    model: Annotated[str, typer.Argument(help="A head's folder, or a model with a head.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, e.g. score_module.pt.", show_default=False)],
    layout: Annotated[str, typer.Option(help="score_module (the paper's authors) or step (STEP).")] = "score_module",
) -> None:
    """Write a head in another project's layout.

    \b
    reflectgen export my-head/ --output score_module.pt --layout score_module
    """
    from reflectgen.commands.exchange import export_foreign

    export_foreign(model, output, layout)
    typer.echo(f"The head is in {output}, in the layout {layout}.")
