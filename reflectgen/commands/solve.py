"""`reflectgen solve`: one problem on the screen, or a file of problems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reflectgen.commands import options as opt
from reflectgen.errors import InputError

if TYPE_CHECKING:
    from reflectgen.reflector import Options


def solve(
    problem: Annotated[str | None, typer.Argument(help="The problem, in quotes.", show_default=False)] = None,
    input: Annotated[Path | None, typer.Option("--input", "-i", help="File of problems instead: one JSON row each.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File that gets one row per solved problem.")] = None,
    task: Annotated[
        str | None, typer.Option(help="Task that --input holds problems of; seen from its fields by default.")
    ] = None,
    as_json: opt.JSONOutput = False,
    tree: Annotated[bool, typer.Option("--tree", help="Draw the search: who was forked, cancelled, kept.")] = False,
    effort: opt.Effort = "medium",
    efforts: opt.EffortsFile = None,
    k: opt.K = None,
    select: opt.Select = None,
    strategy: opt.Strategy = None,
    set: opt.Settings = None,
    budget: opt.Budget = None,
    answer: opt.Answer = "all",
    abstain_below: opt.AbstainBelow = 0.0,
    seed: opt.Seed = 0,
    temperature: opt.Temperature = None,
    top_p: opt.TopP = None,
    top_k: opt.TopK = None,
    max_tokens: opt.MaxTokens = None,
    model: opt.Model = "tiny",
    head: opt.Head = None,
    prm: opt.PRM = None,
    engine: opt.Engine = "local",
    adapter: opt.Adapter = None,
    device: opt.Device = "auto",
    dtype: opt.Dtype = "auto",
    kv_budget: opt.KVBudget = None,
    allow_backbone_mismatch: opt.AllowMismatch = False,
    trust_remote_code: opt.TrustRemoteCode = False,
) -> None:
    """Solve a problem, or a file of them: think in many branches, keep the best.

    \b
    reflectgen solve "Ann has 3 boxes of 4 pens. How many pens has she?"
    reflectgen solve "..." --effort high --model Qwen/Qwen3-0.6B --head head/
    reflectgen solve "..." --strategy beam --set expand=2 --tree
    reflectgen solve --input problems.jsonl --output solved.jsonl

    A row of --input is {"problem", "id"?, "answer"?}, or one of GSM8K. Many
    are solved at once; each is written as it is done, and the same command
    again goes on where it was stopped. With answers, accuracy is printed.
    """
    from reflectgen.commands import effort as search
    from reflectgen.reflector import Options, check

    options = Options(
        effort=search.named(effort, efforts), k=k, select=select, strategy=strategy, settings=search.settings(set or ()),
        budget=budget, answer=answer, abstain_below=abstain_below, seed=seed,
        temperature=temperature, top_p=top_p, top_k=top_k, max_tokens=max_tokens,
    )  # fmt: skip
    check(options)
    loading = opt.loading(
        model=model, head=head, engine=engine, device=device, dtype=dtype, kv_budget=kv_budget,
        allow_backbone_mismatch=allow_backbone_mismatch, trust_remote_code=trust_remote_code, adapter=adapter, prm=prm,
    )  # fmt: skip
    if (problem is None) == (input is None):
        raise InputError('Give either a problem, as in: reflectgen solve "What is 2 + 3?", or a file with --input.')
    if problem is not None:
        _refuse("a problem on the command line", output=output, task=task)
        if as_json:
            _refuse("--json, which holds the whole search in any case", tree=tree or None)
        _solve_one(problem, options, loading, as_json=as_json, tree=tree)
    elif input is not None:
        _refuse("--input, whose results are JSON in any case", json=as_json or None, tree=tree or None)
        _solve_file(input, output, task, options, loading)


def _refuse(given: str, **options: Any) -> None:
    """Raise `InputError` for an option that has no meaning beside what was given."""
    for name, value in options.items():
        if value is not None:
            raise InputError(f"--{name} does not go with {given}: leave it out.")


def _solve_file(input: Path, output: Path | None, task: str | None, options: Options, loading: dict[str, Any]) -> None:
    from reflectgen.commands.batch import solve_file

    if output is None:
        raise InputError("Give --output FILE as well: a row is written there as soon as its problem is solved.")
    solve_file(input, output, task, options, loading)


def _solve_one(problem: str, options: Options, loading: dict[str, Any], *, as_json: bool, tree: bool) -> None:
    from reflectgen.commands import record, show
    from reflectgen.commands.live import board, open_model
    from reflectgen.commands.tree import draw
    from reflectgen.config import PromptConfig
    from reflectgen.prompts import messages

    messages(problem, PromptConfig())
    with open_model(**loading) as model, board() as shown:
        options["observe"] = shown.observe
        result = model.solve(problem, **options)
    if as_json:
        typer.echo(json.dumps(record.whole(result), ensure_ascii=False, indent=2))
    else:
        show.console().print(show.whole(result, draw(result) if tree else None))
