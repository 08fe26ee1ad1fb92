"""`reflectgen rollouts`: look at stores of rollouts, and join them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reflectgen.commands import options as opt

if TYPE_CHECKING:
    from reflectgen.rollouts import Store
    from reflectgen.train.texts import Texts

StoreModel = Annotated[
    str | None, typer.Option("--model", "-m", help="Model of the vocabulary; the store's by default.", show_default=False)
]

app = typer.Typer(
    name="rollouts", help="Look at stores of rollouts, join them, grade or check them anew.", no_args_is_help=True
)


@app.command("show")
def show(
    folder: Annotated[Path, typer.Argument(help="The store.", show_default=False)],
    as_json: opt.JSONOutput = False,
) -> None:
    """Show what a store holds, and what its traces come to.

    \b
    reflectgen rollouts show runs/words
    """
    from reflectgen.commands.sampling import print_summary
    from reflectgen.rollouts import Store

    print_summary(Store.open(folder), as_json=as_json)


@app.command("merge")
def merge(
    folders: Annotated[list[Path], typer.Argument(help="Stores of one model, prompt and sampling.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new store.", show_default=False)],
    compact: Annotated[bool, typer.Option("--compact", help="Leave out what can be computed again.")] = False,
    as_json: opt.JSONOutput = False,
) -> None:
    """Join stores of other problems, or of other seeds, into one.

    \b
    reflectgen rollouts merge runs/seed0 runs/seed1 --output runs/words
    reflectgen rollouts merge runs/words --compact --output runs/small

    The stores stay as they are. Samples of a problem that two stores hold are
    numbered on. A compact store has no prompts and texts: they are computed
    again from the task's problems and the model's tokenizer where needed.
    """
    from reflectgen.commands.sampling import print_summary
    from reflectgen.rollouts import Store
    from reflectgen.rollouts import merge as join

    print_summary(join([Store.open(folder) for folder in folders], output, compact=compact), as_json=as_json)


@app.command("score")
def score(
    folder: Annotated[Path, typer.Argument(help="The store.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new store.", show_default=False)],
    data: Annotated[
        list[Path] | None, typer.Option(help="File of a compact store's problems; may be given again.", show_default=False)
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for the states that are read; beside the store.")] = None,
    as_json: opt.JSONOutput = False,
    model: opt.Model = "tiny",
    head: opt.Head = None,
    device: opt.Device = "auto",
    dtype: opt.Dtype = "auto",
    allow_backbone_mismatch: opt.AllowMismatch = False,
    trust_remote_code: opt.TrustRemoteCode = False,
) -> None:
    """Grade stored traces by another head: what was sampled once serves every head.

    \b
    reflectgen rollouts score runs/words --head my-head/ --output runs/words-graded
    reflectgen eval --rollouts runs/words-graded --k 8 --select sprm,majority -o runs/eval

    The model reads the traces once, in one pass, and what it reads is kept for
    the next head; the same command again goes on where it was stopped. Tokens,
    answers and outcomes stay as they are.
    """
    from reflectgen.commands.progress import bars
    from reflectgen.commands.sampling import print_summary
    from reflectgen.load import locate
    from reflectgen.model.shipped import open_model
    from reflectgen.model.tokenizer import load_tokenizer
    from reflectgen.rollouts import Store
    from reflectgen.steps import TokenTable
    from reflectgen.train.regrade import regrade

    store = Store.open(folder)
    name = locate(model)
    reader = open_model(
        name, head=head, device=device, dtype=dtype, allow_backbone_mismatch=allow_backbone_mismatch,
        trust_remote_code=trust_remote_code,
    )  # fmt: skip
    table = TokenTable(load_tokenizer(name, trust_remote_code=trust_remote_code))
    with bars() as progress:
        told = partial(progress, str(folder))
        graded = regrade(store, reader, table, output, data=data or (), cache=cache, progress=told)
    print_summary(graded, as_json=as_json)


@app.command("check")
def check(
    folder: Annotated[Path, typer.Argument(help="The store.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new store.", show_default=False)],
    data: Annotated[
        list[Path] | None, typer.Option(help="File that the task reads its problems from; may be given again.")
    ] = None,
    as_json: opt.JSONOutput = False,
    model: StoreModel = None,
    trust_remote_code: opt.TrustRemoteCode = False,
) -> None:
    """Read and check stored answers anew, by the task as it is now.

    \b
    reflectgen rollouts check runs/gsm8k --data test.jsonl --output runs/gsm8k-checked

    For a store whose answers an older version read. Tokens, scores and costs
    stay as they are; of the model only the tokenizer is needed.
    """
    from reflectgen.commands.progress import bars
    from reflectgen.commands.sampling import print_summary
    from reflectgen.rollouts import Store
    from reflectgen.train.recheck import recheck

    store = Store.open(folder)
    with bars() as progress:
        told = partial(progress, str(folder))
        checked = recheck(store, _texts(store, model, data, trust_remote_code), output, told)
    print_summary(checked, as_json=as_json)


@app.command("trace")
def trace(
    folder: Annotated[Path, typer.Argument(help="The store.", show_default=False)],
    problem: Annotated[str, typer.Argument(help="Id of a problem in it.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="File of the trace.", show_default=False)],
    select: Annotated[str, typer.Option(help="Selector that decides.")] = "logprob",
    data: Annotated[
        list[Path] | None, typer.Option(help="File of a compact store's problems; may be given again.", show_default=False)
    ] = None,
    model: StoreModel = None,
    trust_remote_code: opt.TrustRemoteCode = False,
) -> None:
    """Write the traces of a problem as one trace for the viewer's page.

    \b
    reflectgen rollouts trace runs/words wordproblems/test/0/3 --select weighted -o trace.json

    The page that reflectgen serve shows opens it: drop the file there.
    """
    import json

    from reflectgen.errors import InputError
    from reflectgen.model.atomic import write_text
    from reflectgen.rollouts import Store
    from reflectgen.serve.events import VERSION
    from reflectgen.serve.recorded import recorded
    from reflectgen.serve.replayed import replayed

    store = Store.open(folder)
    problems = store.problems()
    if problem not in problems:
        raise InputError(f"The store {folder} holds no problem '{problem}': its ids are like '{next(iter(problems))}'.")
    rows, texts = problems[problem], _texts(store, model, data, trust_remote_code)
    found = replayed(rows, texts, select)
    events = recorded(found, problem, model=store.header.model, prompt_tokens=len(texts.prompt(rows[0])))
    write_text(output, json.dumps({"version": VERSION, "events": events}) + "\n")
    typer.echo(f"Written: {output}")


def _texts(store: Store, model: str | None, data: list[Path] | None, trust_remote_code: bool) -> Texts:
    """The texts of a store by its model's tokenizer."""
    from reflectgen.load import locate
    from reflectgen.model.shipped import NO_HEAD
    from reflectgen.model.unweighted import open_unweighted
    from reflectgen.train.texts import Texts

    opened, tokenizer = open_unweighted(locate(model or store.header.model), head=NO_HEAD, trust_remote_code=trust_remote_code)
    return Texts.of(store, tokenizer, opened.backbone.generation_config, data or ())
