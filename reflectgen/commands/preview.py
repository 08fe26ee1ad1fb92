"""What a person sees of a run that was only asked about (`reflectgen eval --dry-run`)."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.text import Text

from reflectgen.commands.evaluation import Asked
from reflectgen.commands.sampling import Source
from reflectgen.commands.show import console, pairs
from reflectgen.evaluate.preview import Preview, preview
from reflectgen.load import outline
from reflectgen.reflector import Options

OUTLINED = ("model", "head", "step_rule", "prm", "trust_remote_code")
"""Of the arguments with which a model is loaded, those that also matter without its weights."""


def print_preview(source: Source, loading: dict[str, Any], asked: Asked, sampling: Options, *, as_json: bool) -> None:
    """Tell what the run would ask and could cost, from tokenizer and configuration; nothing is written."""
    grid = asked.grid(source, sampling)
    with outline(**{name: loading[name] for name in OUTLINED}, prompt=grid.task.prompt) as model:
        found = preview(model, grid, asked.store)
    typer.echo(json.dumps(found.plain(), ensure_ascii=False, indent=2)) if as_json else _print(found)


def _print(found: Preview) -> None:
    out = console()
    for prompt in found.prompts:
        out.print(Text(f"{prompt.id}, {prompt.tokens:,} tokens", style="bold"))
        out.print(Text(prompt.text), "", soft_wrap=True)
    facts = {
        "task": found.task,
        "problems": found.problems,
        "prompt tokens": f"{found.prompt_tokens:,}, at most {found.longest_prompt:,} a problem",
        "generated tokens": f"at most {found.most_tokens:,}",
    }
    if found.unbounded:
        facts["not counted"] = f"{', '.join(found.unbounded)}: nothing but --budget limits what is written and given up"
    out.print(pairs(facts))
