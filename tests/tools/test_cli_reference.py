"""The command reference: from a typer app to Markdown."""

from __future__ import annotations

from typing import Annotated

import cli_reference
import typer
from typer.main import get_command

app = typer.Typer()


@app.command()
def sow(
    field: Annotated[str, typer.Argument(help="Where to sow.")],
    seeds: Annotated[int, typer.Option("--seeds", "-s", help="How many | at most.")] = 8,
    deep: Annotated[bool, typer.Option("--deep", help="Deeper.")] = False,
    tool: Annotated[str | None, typer.Option(help="With what.")] = None,
) -> None:
    """Sow a field.

    \b
    sow north --deep
    sow south

    In spring, between
    <rows>.
    """


@app.command(hidden=True)
def secret() -> None:
    """Nobody reads this."""


@app.command()
def reap() -> None:
    """Reap it."""


def test_page_lists_each_command_with_its_parameters() -> None:
    page = cli_reference.page(get_command(app)).removeprefix(cli_reference.HEADER.strip())
    assert page == (
        "\n\n## `reflectgen sow`\n\nSow a field.\n\n"
        "```sh\nsow north --deep\nsow south\n```\n\nIn spring, between &lt;rows>.\n\n"
        "| name | default | meaning |\n| --- | --- | --- |\n"
        "| `FIELD` | required | Where to sow. |\n"
        "| `--seeds`, `-s` | `8` | How many \\| at most. |\n"
        "| `--deep` | off | Deeper. |\n"
        "| `--tool` |  | With what. |\n"
        "\n## `reflectgen reap`\n\nReap it.\n"
    )
