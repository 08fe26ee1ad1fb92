"""Draw what a command shows in a terminal, as SVG: `picture.py FILE ARGUMENT...` runs `reflectgen ARGUMENT...`."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 88


def run(arguments: list[str]) -> str:
    """What the command prints on standard output, coloured as in a terminal."""
    environment = {
        **os.environ,
        "FORCE_COLOR": "1",
        "COLORTERM": "truecolor",
        "TERM": "xterm-256color",
        "COLUMNS": str(COLUMNS),
    }
    command = [str(Path(sys.executable).with_name("reflectgen")), *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def svg(prompt: str, output: str) -> str:
    """The picture of a terminal in which `prompt` was typed and `output` came; it fetches no fonts."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {prompt}", style="bold"))
    console.print(Text.from_ansi(output.rstrip()))
    picture = console.export_svg(title="reflectgen", unique_id="reflectgen")
    return re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)


def main(file: str, *arguments: str) -> None:
    """Run the command and write its picture to `file`."""
    Path(file).write_text(svg(shlex.join(["reflectgen", *arguments]), run(list(arguments))), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
