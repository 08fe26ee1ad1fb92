"""`reflectgen label`: give the steps of stored traces labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reflectgen.commands import options as opt

MONTE_CARLO, JUDGE, CONSENSUS = "monte_carlo", "judge", "consensus"
"""Panels of the help page: sources that have options of their own."""


def label(
    folder: Annotated[Path, typer.Argument(help="The store.", show_default=False)],
    source: Annotated[
        str, typer.Option("--source", "-s", help="outcome, oracle, monte_carlo, judge or consensus.", show_default=False)
    ],
    name: Annotated[str | None, typer.Option(help="What the labels are called; the source's name by default.")] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="File that the store's task reads its problems from; may be repeated.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Model of the vocabulary, and to continue with; the store's by default.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Problems that monte_carlo and judge label; all by default.")] = None,
    as_json: opt.JSONOutput = False,
    n: Annotated[
        int | None, typer.Option("--n", min=1, rich_help_panel=MONTE_CARLO, help="Continuations of each step; 8 by default.")
    ] = None,
    hard: Annotated[
        bool | None, typer.Option("--hard", rich_help_panel=MONTE_CARLO, help="1 where any continuation is right, else 0.")
    ] = None,
    seed: Annotated[int | None, typer.Option(rich_help_panel=MONTE_CARLO, help="Seed of the continuations.")] = None,
    engine: Annotated[str | None, typer.Option(rich_help_panel=MONTE_CARLO, help="local (default) or naive.")] = None,
    device: Annotated[str | None, typer.Option(rich_help_panel=MONTE_CARLO, help="auto, cpu, cuda or mps.")] = None,
    dtype: Annotated[
        str | None, typer.Option(rich_help_panel=MONTE_CARLO, help="auto, float32, bfloat16, float16 or int8 (CPU).")
    ] = None,
    kv_budget: opt.KVBudget = None,
    base_url: Annotated[
        str | None,
        typer.Option(rich_help_panel=JUDGE, help="Endpoint, up to /chat/completions, e.g. http://localhost:8000/v1."),
    ] = None,
    judge_model: Annotated[str | None, typer.Option(rich_help_panel=JUDGE, help="Model to ask there.")] = None,
    key_variable: Annotated[
        str | None,
        typer.Option(rich_help_panel=JUDGE, help="Environment variable that holds the key; REFLECTGEN_JUDGE_KEY by default."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, rich_help_panel=JUDGE, help="Requests at once; 8 by default.")
    ] = None,
    of: Annotated[
        list[str] | None,
        typer.Option(rich_help_panel=CONSENSUS, help="Names of two labellings, given twice; monte_carlo and judge by default."),
    ] = None,
) -> None:
    """Give the graded steps of stored traces labels to train a head on.

    \b
    reflectgen label runs/words --source oracle
    reflectgen label runs/words --source monte_carlo --n 8 --limit 50
    reflectgen label runs/words --source judge --base-url http://localhost:8000/v1 --judge-model Qwen/Qwen3-32B

    Labels lie beside the traces, one number a step, under a name of their own.
    The sources monte_carlo and judge cost something: stopped, they go on where
    they were with the same command.
    """
    from reflectgen.commands.labelling import label_store

    given = {
        "data": data or None, "model": model, "limit": limit, "n": n, "hard": hard, "seed": seed, "engine": engine,
        "device": device, "dtype": dtype, "kv_budget": opt.parse_size(kv_budget), "base_url": base_url,
        "judge_model": judge_model, "key_variable": key_variable, "concurrency": concurrency, "of": of or None,
    }  # fmt: skip
    asked = {option: value for option, value in given.items() if value is not None}
    label_store(folder, source, name or source, asked, as_json=as_json)
