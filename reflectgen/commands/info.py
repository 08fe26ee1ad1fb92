"""`reflectgen info`: what a model is, and what its head reads."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from reflectgen.commands import options as opt


def info(
    model: Annotated[str, typer.Argument(help="tiny, a Hub name, a folder, a .gguf file, or a head's folder.")] = "tiny",
    head: opt.Head = None,
    as_json: opt.JSONOutput = False,
    allow_backbone_mismatch: opt.AllowMismatch = False,
    trust_remote_code: opt.TrustRemoteCode = False,
) -> None:
    """Describe a model: architecture, size, context, thinking tags, and its SPRM head.

    \b
    reflectgen info
    reflectgen info Qwen/Qwen3-0.6B --head my-head/ --json
    """
    from reflectgen.commands.describe import describe
    from reflectgen.commands.show import console, pairs

    facts = describe(model, head=head, allow_backbone_mismatch=allow_backbone_mismatch, trust_remote_code=trust_remote_code)
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        console().print(pairs(facts))
