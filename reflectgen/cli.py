"""The command line: `reflectgen COMMAND`. One module of `reflectgen.commands` per command; heavy imports inside them.

Exit codes: 0 done; 1 a check that was asked for found something; 2 the user's mistake, told in one sentence on standard
error; 130 interrupted.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import reflectgen
from reflectgen.commands import (
    demo,
    heads,
    info,
    label,
    processbench,
    report,
    retrofit,
    rollout,
    rollouts,
    score,
    serve,
    serve_engine,
    solve,
    study,
    train,
)
from reflectgen.commands import eval as evaluation
from reflectgen.errors import ReflectgenError

USER_ERROR, INTERRUPTED = 2, 130


class Commands(TyperGroup):
    """All commands; their errors end as one sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except ReflectgenError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(USER_ERROR) from None
        except KeyboardInterrupt as interrupt:
            typer.echo(str(interrupt) or "Interrupted: nothing was written.", err=True)
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=Commands,
    name="reflectgen",
    help="Language models that grade their own reasoning steps while they decode.",
    epilog="Begin with: reflectgen demo",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("solve")(solve.solve)
app.command("score")(score.score)
app.command("serve")(serve.serve)
app.command("serve-engine", context_settings=serve_engine.PASSED_ON)(serve_engine.serve_engine)
app.command("demo")(demo.demo)
app.command("info")(info.info)
app.command("import")(heads.import_head)
app.command("export")(heads.export_head)
app.command("rollout")(rollout.rollout)
app.add_typer(rollouts.app)
app.command("label")(label.label)
app.command("eval")(evaluation.evaluate)
app.command("processbench")(processbench.processbench)
app.command("report")(report.report)
app.command("retrofit")(retrofit.retrofit)
app.command("study")(study.study)
app.command("train")(train.train)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"reflectgen {reflectgen.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The entry point of the command `reflectgen`."""
    app()
