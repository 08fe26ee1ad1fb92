"""Write docs/cli.md from the command line itself, or check that it is fresh: `cli_reference.py [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any

from typer.main import get_command

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
ESCAPED = "\\|"
"""A vertical bar within a table."""
HEADER = """# Command line

<!-- Written by tools/cli_reference.py: change the command's own help, then run `make cli-reference`. -->

Every command exits with 0 when it did what was asked, and with 2 after one sentence on standard error that names the
cause and the mend; 130 means interrupted, and 1 that a check which was asked for found something.
"""


def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each command that can be run, with its full name, in the order of `--help`; hidden ones are left out."""
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from leaves(child, f"{path} {name}")
    if not hasattr(command, "commands"):
        yield path, command


def prose(text: str) -> str:
    """`text` on one line, with nothing in it that Markdown would take for a tag."""
    return " ".join(text.split()).replace("<", "&lt;")


def paragraph(text: str) -> str:
    """One paragraph of a command's help; those that the help shows as they stand are commands."""
    return f"```sh\n{cleandoc(text[2:])}\n```" if text.startswith("\b\n") else prose(text)


def default_of(parameter: Any) -> str:
    """How the default is shown: empty where there is none."""
    if parameter.required:
        return "required"
    if isinstance(parameter.default, bool):
        names = parameter.opts if parameter.default else parameter.secondary_opts
        return f"`{names[0]}`" if names else "off"
    if parameter.default is None or parameter.default == "" or callable(parameter.default):
        return ""
    values = parameter.default if isinstance(parameter.default, list | tuple) else [parameter.default]
    return ", ".join(f"`{getattr(value, 'value', value)}`" for value in values)


def table(parameters: list[Any]) -> str:
    """The parameters of one command as a Markdown table."""
    rows = ["| name | default | meaning |", "| --- | --- | --- |"]
    for parameter in parameters:
        is_argument = parameter.param_type_name == "argument"
        names = [parameter.name.upper()] if is_argument else [*parameter.opts, *parameter.secondary_opts]
        shown = ", ".join(f"`{name}`" for name in names)
        rows.append(f"| {shown} | {default_of(parameter)} | {prose(parameter.help or '').replace('|', ESCAPED)} |")
    return "\n".join(rows)


def section(name: str, command: Any) -> str:
    """The reference of one command."""
    parts = [f"## `{name}`", *map(paragraph, cleandoc(command.help or "").split("\n\n"))]
    parameters = [parameter for parameter in command.params if not parameter.hidden and parameter.name != "help"]
    if parameters:
        parts.append(table(parameters))
    return "\n\n".join(parts)


def page(command: Any) -> str:
    """The whole page."""
    return "\n\n".join([HEADER.strip(), *(section(name, leaf) for name, leaf in leaves(command, "reflectgen"))]) + "\n"


def main(arguments: list[str]) -> int:
    """Write the page; with `--check`, say whether it is stale and exit with 1 if so."""
    from reflectgen.cli import app

    text = page(get_command(app))
    if arguments != ["--check"]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print("docs/cli.md is stale: run `make cli-reference`.")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
