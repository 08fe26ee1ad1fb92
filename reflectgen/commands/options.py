"""Options that several commands share, and what they mean to the library."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from reflectgen.config import EFFORTS
from reflectgen.errors import OptionError
from reflectgen.search import STRATEGIES

MODEL, DECIDING, SAMPLING = "Model", "Deciding", "Sampling"
"""Panels of the help page."""

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
"""Suffix of a size in bytes -> its factor."""


def parse_size(text: str | None, option: str = "--kv-budget") -> int | None:
    """Bytes in a size such as 512M or 4GB; None for None. Raises `OptionError` where it is no size."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)i?B?", text.strip(), re.IGNORECASE)
    size = int(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    if size <= 0:
        raise OptionError(f"{option} '{text}' is no size: write it like 512M or 4G.")
    return size


Model = Annotated[
    str,
    typer.Option(
        "--model", "-m", rich_help_panel=MODEL, help="tiny (bundled), a Hub name, a folder, a .gguf file, or a head's folder."
    ),
]
Head = Annotated[
    str | None,
    typer.Option(rich_help_panel=MODEL, help="SPRM head to use instead of the model's own: a folder, a file or a Hub name."),
]
PRM = Annotated[
    str | None,
    typer.Option(rich_help_panel=MODEL, help="Another model, of the same vocabulary, to grade the steps in the head's place."),
]
StepRule = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=MODEL,
        help="What ends a step: paper, blank_line, newline or regex:PATTERN; the head's by default.",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        rich_help_panel=MODEL,
        help="local, naive (slow, the reference), vllm, or addresses of vLLM servers: http://host:8000/v1,http://...",
    ),
]
Adapter = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=MODEL, help="LoRA adapter that vLLM runs the model with: its folder, or over servers its name there."
    ),
]
Device = Annotated[str, typer.Option(rich_help_panel=MODEL, help="auto, cpu, cuda or mps.")]
Dtype = Annotated[str, typer.Option(rich_help_panel=MODEL, help="auto, float32, bfloat16, float16 or int8 (CPU).")]
KVBudget = Annotated[
    str | None,
    typer.Option(rich_help_panel=MODEL, metavar="SIZE", help="Memory for the cache, e.g. 512M or 4G; chosen by default."),
]
AllowMismatch = Annotated[
    bool, typer.Option("--allow-backbone-mismatch", rich_help_panel=MODEL, help="Put a head on another backbone than its own.")
]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", rich_help_panel=MODEL, help="Run code that comes with the model's files.")
]
Effort = Annotated[
    str,
    typer.Option(
        "--effort",
        "-e",
        rich_help_panel=DECIDING,
        help=", ".join(f"{name} ({effort.k})" for name, effort in EFFORTS.items())
        + ": thinkings sampled; auto: at most, until the answer is settled.",
        autocompletion=lambda: list(EFFORTS),
    ),
]
EffortsFile = Annotated[
    Path | None,
    typer.Option("--efforts", metavar="FILE", rich_help_panel=DECIDING, help="YAML file of further efforts for --effort."),
]
K = Annotated[int | None, typer.Option("--k", "-k", rich_help_panel=DECIDING, help="Thinkings sampled; overrides --effort.")]
Select = Annotated[
    str | None,
    typer.Option(
        "--select",
        "-s",
        rich_help_panel=DECIDING,
        help="sprm, product, logprob, confidence, shortest, blend, majority or "
        "weighted[:sprm|product|logprob|confidence|blend]; "
        "by default the strategy's own, else sprm where the model has a head, else majority.",
    ),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=DECIDING,
        help=f"{', '.join(STRATEGIES)}, or auto: the one that fits the model; by default the effort's own.",
        autocompletion=lambda: [*STRATEGIES, "auto"],
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", rich_help_panel=DECIDING, help="A setting of the strategy; repeatable."),
]
Budget = Annotated[
    int | None, typer.Option(rich_help_panel=DECIDING, help="Most tokens generated for a problem, over all thinkings.")
]
Answer = Annotated[
    str, typer.Option(rich_help_panel=DECIDING, help="Thinkings that write an answer: all, or only the chosen one (cheaper).")
]
AbstainBelow = Annotated[
    float, typer.Option(rich_help_panel=DECIDING, help="Give no answer that has less than this share of the votes, 0 to 1.")
]
Seed = Annotated[int, typer.Option(rich_help_panel=SAMPLING, help="Equal seeds give equal results.")]
Temperature = Annotated[
    float | None, typer.Option(rich_help_panel=SAMPLING, help="0 takes the likeliest token; by default the model's, else 0.6.")
]
TopP = Annotated[
    float | None, typer.Option(rich_help_panel=SAMPLING, help="Draw from this much probability; the model's, else 0.95.")
]
TopK = Annotated[
    int | None, typer.Option(rich_help_panel=SAMPLING, help="Draw from this many tokens, 0 for all; the model's, else 0.")
]
MaxTokens = Annotated[
    int | None, typer.Option(rich_help_panel=SAMPLING, help="Longest thinking, in tokens; 4096, or what the context holds.")
]
AnswerTokens = Annotated[
    int | None, typer.Option(rich_help_panel=SAMPLING, help="Longest reply after a thinking, in tokens; 512.")
]
JSONOutput = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def loading(
    *,
    model: str,
    head: str | None,
    engine: str,
    device: str,
    dtype: str,
    kv_budget: str | None,
    allow_backbone_mismatch: bool,
    trust_remote_code: bool,
    prm: str | None = None,
    adapter: str | None = None,
) -> dict[str, Any]:
    """The arguments of `reflectgen.load.load` that these options mean."""
    return {
        "model": model,
        "head": head,
        "engine": engine,
        "device": device,
        "dtype": dtype,
        "kv_budget": parse_size(kv_budget),
        "allow_backbone_mismatch": allow_backbone_mismatch,
        "trust_remote_code": trust_remote_code,
        "prm": prm,
        "adapter": adapter,
    }
