"""`reflectgen eval`: what search strategies reach for their tokens, on the problems of a task."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reflectgen.commands import options as opt

TASK, GRID, INSTEAD = "Task", "What is compared", "Instead of a run"
"""Panels of the help page."""
FAULT = 1
"""Exit code of a check that found something."""


def _by_recipe(context: typer.Context, path: Path | None) -> Path | None:
    """Have the keys of the recipe stand in for options that are not given."""
    from reflectgen.config import EvalConfig, load_recipe

    if path is not None and not context.resilient_parsing:
        context.default_map = load_recipe(EvalConfig, path).options()
    return path


def evaluate(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder of the cells; a run needs one.")] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            is_eager=True,
            callback=_by_recipe,
            help="YAML recipe, whose keys are these options; an option beside it has the last word.",
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", "-t", rich_help_panel=TASK, help="Name of a task; seen from --data by default.")
    ] = None,
    data: Annotated[Path | None, typer.Option(rich_help_panel=TASK, help="File of problems, where the task reads one.")] = None,
    split: Annotated[str, typer.Option(rich_help_panel=TASK, help="Split of the task.")] = "test",
    limit: Annotated[int | None, typer.Option(rich_help_panel=TASK, min=1, help="Most problems; all by default.")] = None,
    data_seed: Annotated[int, typer.Option(rich_help_panel=TASK, help="Which problems --limit draws, or are made.")] = 0,
    instruction: Annotated[
        str | None, typer.Option(rich_help_panel=TASK, help="What is asked beside each problem; the task's or the model's own.")
    ] = None,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=GRID,
            metavar="NAME[:SETTING=VALUE,...],...",
            help="Strategies, each with its settings; may be given again. By default best_of_n.",
        ),
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            "--select", "-s", rich_help_panel=GRID, metavar="NAME,...", help="Selectors; each strategy's own by default."
        ),
    ] = None,
    k: Annotated[
        str, typer.Option("--k", "-k", rich_help_panel=GRID, metavar="K,...", help="Thinkings of a problem, at most.")
    ] = "2,8,32",
    budget: Annotated[
        str | None,
        typer.Option(rich_help_panel=GRID, metavar="TOKENS,...", help="Most tokens of a problem; every k runs under each."),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=GRID, metavar="N", help="That many seeds from 0, or a list: 3,4. By default the store's, or 1."
        ),
    ] = None,
    rollouts: Annotated[
        Path | None,
        typer.Option("--rollouts", "-r", help="Store to replay, in place of one that is sampled into --output."),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Replay nothing: run everything on the model and measure seconds.")
    ] = False,
    list_tasks: Annotated[bool, typer.Option("--list", rich_help_panel=INSTEAD, help="List the tasks.")] = False,
    check_gold: Annotated[
        bool,
        typer.Option(
            "--check-gold",
            rich_help_panel=INSTEAD,
            help="Grade the task's own gold answers, and changed ones, without a model; exit 1 where a verdict is wrong.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            rich_help_panel=INSTEAD,
            help="Show the first prompts and the most tokens of the run, without the model's weights.",
        ),
    ] = False,
    as_json: opt.JSONOutput = False,
    temperature: opt.Temperature = None,
    top_p: opt.TopP = None,
    top_k: opt.TopK = None,
    max_tokens: opt.MaxTokens = None,
    answer_tokens: opt.AnswerTokens = None,
    model: opt.Model = "tiny",
    head: opt.Head = None,
    prm: opt.PRM = None,
    step_rule: opt.StepRule = None,
    engine: opt.Engine = "local",
    adapter: opt.Adapter = None,
    device: opt.Device = "auto",
    dtype: opt.Dtype = "auto",
    kv_budget: opt.KVBudget = None,
    allow_backbone_mismatch: opt.AllowMismatch = False,
    trust_remote_code: opt.TrustRemoteCode = False,
) -> None:
    """Compare search strategies: right answers for tokens, on the same problems.

    \b
    reflectgen eval --task wordproblems --limit 200 -o runs/eval \\
        --strategy best_of_n,adaptive,pruned:rule=prefix,keep=.25
    reflectgen eval --data test.jsonl -m my-model/ --strategy best_of_n,beam \\
        --select sprm,weighted --k 8,32 --seeds 3 -o runs/eval
    reflectgen eval --config recipes/metastone-s1-1.5b/eval-aime24.yaml -o runs/aime24
    reflectgen report runs/eval --plot frontier

    Every strategy, selector, k and seed is a cell of --output. Thinkings are
    sampled once a seed; strategies that draw whole thinkings are replayed from
    those, so their seconds are not known: --live measures them. The same command
    again goes on where it was stopped, and one with other strategies adds cells.

    \b
    reflectgen eval --list
    reflectgen eval --check-gold --task aime24 --data aime24.jsonl
    reflectgen eval --dry-run --task aime24 --data aime24.jsonl --k 64
    """
    from reflectgen.commands.benchmarks import print_gold, print_tasks
    from reflectgen.commands.evaluation import Asked, run
    from reflectgen.commands.preview import print_preview
    from reflectgen.commands.sampling import Source
    from reflectgen.commands.ways import print_report
    from reflectgen.errors import OptionError
    from reflectgen.reflector import Options

    if list_tasks + check_gold + dry_run > 1:
        raise OptionError("--list, --check-gold and --dry-run each stand alone: give one of them.")
    if list_tasks:
        return print_tasks(as_json=as_json)
    source = Source(task=task, data=data, split=split, limit=limit, seed=data_seed, instruction=instruction)
    if check_gold:
        raise typer.Exit(0 if print_gold(source, as_json=as_json) else FAULT)
    asked = Asked.parse(strategies=strategy, selects=select, ks=k, budgets=budget, seeds=seeds, rollouts=rollouts, live=live)
    loading = opt.loading(
        model=model, head=head, engine=engine, device=device, dtype=dtype, kv_budget=kv_budget,
        allow_backbone_mismatch=allow_backbone_mismatch, trust_remote_code=trust_remote_code, adapter=adapter, prm=prm,
    )  # fmt: skip
    sampling = Options(
        temperature=temperature, top_p=top_p, top_k=top_k, max_tokens=max_tokens, answer_tokens=answer_tokens
    )  # fmt: skip
    if dry_run:
        return print_preview(source, {**loading, "step_rule": step_rule}, asked, sampling, as_json=as_json)
    if output is None:
        raise OptionError("A run needs a folder for its cells: give one with --output.")
    report = run(output, source, {**loading, "step_rule": step_rule}, asked, sampling)
    return print_report(report, as_json=as_json)
