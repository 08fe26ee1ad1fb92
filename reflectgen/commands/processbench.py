"""`reflectgen processbench`: how well a head finds the first wrong step of given solutions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from reflectgen.commands import options as opt


def processbench(
    data: Annotated[
        Path | None, typer.Option(help="The publisher's folder of gsm8k.json, math.json and so on; from the Hub by default.")
    ] = None,
    tune: Annotated[str, typer.Option(help="Split on which the threshold is chosen; it is not reported.")] = "gsm8k",
    limit: Annotated[int | None, typer.Option(min=2, help="Most solutions of a split; all by default.")] = None,
    as_json: opt.JSONOutput = False,
    step_rule: opt.StepRule = None,
    model: opt.Model = "tiny",
    head: opt.Head = None,
    engine: opt.Engine = "local",
    adapter: opt.Adapter = None,
    device: opt.Device = "auto",
    dtype: opt.Dtype = "float32",
    kv_budget: opt.KVBudget = None,
    allow_backbone_mismatch: opt.AllowMismatch = False,
    trust_remote_code: opt.TrustRemoteCode = False,
) -> None:
    """Measure first-error F1 on ProcessBench: is the first wrong step found?

    \b
    reflectgen processbench --data ProcessBench/ -m my-model/
    reflectgen processbench --data ProcessBench/ -m my-model/ --tune math --json

    The head grades the steps of given solutions; the first one below a threshold
    is called wrong. The threshold is the best one on the split --tune, and the
    other splits that are there are reported.
    """
    from reflectgen.commands.firsterrors import Asked, print_measures, run

    loading = opt.loading(
        model=model, head=head, engine=engine, device=device, dtype=dtype, kv_budget=kv_budget,
        allow_backbone_mismatch=allow_backbone_mismatch, trust_remote_code=trust_remote_code, adapter=adapter,
    )  # fmt: skip
    found: dict[str, Any] = run(Asked.load(data, tune, limit), {**loading, "step_rule": step_rule})
    typer.echo(json.dumps(found, indent=2)) if as_json else print_measures(found)
