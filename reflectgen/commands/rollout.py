"""`reflectgen rollout`: sample a task into a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reflectgen.commands import options as opt

TASK = "Task"
"""Panel of the help page."""


def rollout(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the store.", show_default=False)],
    task: Annotated[
        str | None, typer.Option("--task", "-t", rich_help_panel=TASK, help="Name of a task; seen from --data by default.")
    ] = None,
    data: Annotated[Path | None, typer.Option(rich_help_panel=TASK, help="File of problems, where the task reads one.")] = None,
    split: Annotated[str, typer.Option(rich_help_panel=TASK, help="Split of the task.")] = "train",
    limit: Annotated[int | None, typer.Option(rich_help_panel=TASK, min=1, help="Most problems; all by default.")] = None,
    data_seed: Annotated[int, typer.Option(rich_help_panel=TASK, help="Which problems --limit draws, or are made.")] = 0,
    instruction: Annotated[
        str | None, typer.Option(rich_help_panel=TASK, help="What is asked beside each problem; the task's or the model's own.")
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="Traces of each problem.")] = 8,
    chunk: Annotated[int | None, typer.Option(min=1, help="Problems of a shard; by default as many as fill a batch.")] = None,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Sample each N-th shard from I on: N processes, one folder.")
    ] = "0/1",
    compact: Annotated[bool, typer.Option("--compact", help="Leave out what can be computed again.")] = False,
    as_json: opt.JSONOutput = False,
    seed: opt.Seed = 0,
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
    """Sample many traces of a task's problems into a store, with their step scores and outcomes.

    \b
    reflectgen rollout --task wordproblems --limit 200 --output runs/words
    reflectgen rollout --data train.jsonl --model my-model/ -o runs/gsm8k
    reflectgen rollouts show runs/words

    Problems are sampled in chunks, and each is written as a shard when it is
    graded. The same command again goes on with the shards that are missing.
    """
    from reflectgen.commands.sampling import Source, fill, print_summary
    from reflectgen.evaluate.chunks import Share
    from reflectgen.reflector import Options, check

    sampling = Options(
        temperature=temperature, top_p=top_p, top_k=top_k, max_tokens=max_tokens, answer_tokens=answer_tokens
    )  # fmt: skip
    check(sampling)
    share = Share.parse(shard)
    loading = opt.loading(
        model=model, head=head, engine=engine, device=device, dtype=dtype, kv_budget=kv_budget,
        allow_backbone_mismatch=allow_backbone_mismatch, trust_remote_code=trust_remote_code, adapter=adapter, prm=prm,
    )  # fmt: skip
    store = fill(
        output,
        Source(task=task, data=data, split=split, limit=limit, seed=data_seed, instruction=instruction),
        {**loading, "step_rule": step_rule},
        k=k, seed=seed, sampling=sampling, chunk=chunk, share=share, compact=compact,
    )  # fmt: skip
    print_summary(store, as_json=as_json)
