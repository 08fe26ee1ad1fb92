"""`reflectgen score`: grade given texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from reflectgen.commands import options as opt


def score(
    input: Annotated[
        Path, typer.Option("--input", "-i", help='Rows {"text"} or {"prompt", "completion"}.', show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File that gets one row per text.", show_default=False)],
    preset: Annotated[
        str | None,
        typer.Option(
            help="Step rule: paper, official, official_zh, blank_line, newline or regex:PATTERN; the head's by default."
        ),
    ] = None,
    model: opt.Model = "tiny",
    head: opt.Head = None,
    engine: opt.Engine = "local",
    adapter: opt.Adapter = None,
    device: opt.Device = "auto",
    dtype: opt.Dtype = "float32",
    kv_budget: opt.KVBudget = None,
    allow_backbone_mismatch: opt.AllowMismatch = False,
    trust_remote_code: opt.TrustRemoteCode = False,
) -> None:
    """Grade the steps of given texts with a model's SPRM head.

    \b
    reflectgen score --input traces.jsonl --output scores.jsonl
    reflectgen score --input traces.jsonl --output scores.jsonl --preset official --model my-model/

    A row of the input is {"text"} or {"prompt", "completion"}; no special
    tokens are added. Of a prompt and a completion the whole is read, and the
    completion's steps are graded. A row of the output, in the same order, is
    {"score", "steps": [{"position", "text", "score"}]}, where position is the
    index in the whole text's tokens of the state that was read.

    The presets official and official_zh are the authors' scorer: the tags are
    <think> and </think>, and a thinking without steps has the score 0.

    Scores are made to be compared, so the dtype is float32 unless you name one.
    """
    from reflectgen.commands.live import open_model
    from reflectgen.errors import InputError
    from reflectgen.rows import check_writable, read, write_all
    from reflectgen.steps import check_rule

    if preset is not None:
        check_rule(preset)
    loading = opt.loading(
        model=model, head=head, engine=engine, device=device, dtype=dtype, kv_budget=kv_budget,
        allow_backbone_mismatch=allow_backbone_mismatch, trust_remote_code=trust_remote_code, adapter=adapter,
    )  # fmt: skip
    texts = [_text(row) for row in read(input)]
    if not texts:
        raise InputError(f"The file {input} holds no texts.")
    check_writable(output)
    with open_model(**loading, step_rule=preset) as reflector:
        rows = _grade(reflector, texts)
        notes = reflector.notes
    write_all(output, rows)
    typer.echo(f"{len(rows)} texts are graded in {output}.")
    for note in notes:
        typer.echo(f"Note: {note}", err=True)


def _text(row: Any) -> tuple[str, str]:
    """Prompt and completion of a row; a text alone is all prompt."""
    if "text" in row.values:
        return row.text("text"), ""
    if "completion" in row.values or "prompt" in row.values:
        return row.text("prompt"), row.text("completion")
    raise row.fault('give either the field "text" or the fields "prompt" and "completion".')


def _grade(reflector: Any, texts: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """The output's rows, in the input's order."""
    from rich.progress import track

    from reflectgen.commands.show import console

    errors = console(stderr=True)
    graded = track(
        reflector.score_texts(texts),
        total=len(texts),
        description="grading",
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
    return [_row(grades) for _, grades in sorted(graded, key=lambda pair: pair[0])]


def _row(grades: Any) -> dict[str, Any]:
    pairs = zip(grades.positions, grades.steps, strict=True)
    steps = [{"position": position, "text": step.text, "score": step.score} for position, step in pairs]
    return {"score": grades.score, "steps": steps}
