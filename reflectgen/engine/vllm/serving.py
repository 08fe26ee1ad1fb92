"""Becomes a vLLM server for a reflective model: vLLM's own `serve`, with what our plug-in needs among its flags."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reflectgen.engine.vllm.build import architecture, vllm_options
from reflectgen.engine.vllm.channel import reserve
from reflectgen.engine.vllm.greeting import signature
from reflectgen.engine.vllm.heads import overrides, processors
from reflectgen.engine.vllm.inprocess import MISSING
from reflectgen.errors import ModelError, OptionError
from reflectgen.model.checkpoint import HEAD_FILE, write_head
from reflectgen.model.fingerprint import fingerprint, head_fingerprint
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.source import resolve
from reflectgen.model.tokenizer import load_tokenizer

OVERRIDES, NAMES, PROCESSORS = "--hf-overrides", "--served-model-name", "--logits-processors"


def serve(
    name: str | Path, model: ReflectiveModel, head: str | Path | None, flags: Sequence[str], *, called: str, dtype: str = "auto"
) -> None:
    """Serve the model called `name` until interrupted; `head` is what the user called its head, None for the model's own.

    `called` is what requests call the model, and `flags` are vLLM's. Raises `ModelError` where vLLM is missing or cannot
    carry the head, `OptionError` for a flag that cannot be.
    """
    try:
        import vllm  # noqa: F401
    except ImportError as error:
        raise ModelError(MISSING) from error
    with head_folder(name, model, head) as folder:
        run(arguments(name, model, folder, flags, called=called, dtype=dtype))


def arguments(
    name: str | Path, model: ReflectiveModel, head: Path, flags: Sequence[str], *, called: str, dtype: str = "auto"
) -> list[str]:
    """vLLM's arguments: the model's folder, what the plug-in needs, and then `flags`, which may override the precision."""
    if model.head is None:
        raise ModelError(f"{name} has no SPRM head: give one with --head, or start vLLM itself, which needs no plug-in then.")
    options = vllm_options(name, model, True, "auto", dtype)
    config = model.backbone.config
    reserve(load_tokenizer(options["model"]), config.get_text_config(decoder=True).vocab_size)  # type: ignore[union-attr, operator]
    rest, given = _take(flags, OVERRIDES)
    rest, names = _take_many(rest, NAMES)
    rest, besides = _take_many(rest, PROCESSORS)
    besides += processors(model.head.config)
    told = {**overrides(architecture(model), str(head)), **_overrides(given)}
    mark = signature(fingerprint(model.backbone), head_fingerprint(model.head))
    return [
        options["model"], "--dtype", options["dtype"], OVERRIDES, json.dumps(told), NAMES, *(names or [called]), mark,
        "--enable-prompt-tokens-details", *((PROCESSORS, *besides) if besides else ()), *rest,
    ]  # fmt: skip


def run(arguments: Sequence[str]) -> None:
    """`vllm serve` with these arguments, in this process."""
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.entrypoints.serve.utils.api_utils import cli_env_setup
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    cli_env_setup()
    parser = FlexibleArgumentParser(prog="reflectgen")
    command = ServeSubcommand()
    command.subparser_init(parser.add_subparsers())
    parsed = parser.parse_args(["serve", *arguments])
    command.validate(parsed)
    command.cmd(parsed)


@contextmanager
def head_folder(name: str | Path, model: ReflectiveModel, head: str | Path | None) -> Iterator[Path]:
    """Where the head lies natively: where the user has it, which all hosts may see; else a folder that is gone afterwards."""
    place = Path(head or name).expanduser()
    own = place if place.is_dir() else resolve(name).folder if head is None else place.parent
    if (own / HEAD_FILE).is_file():
        yield own.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="reflectgen-head-") as folder:
        config = model.config
        if model.head is not None and config is not None:
            write_head(Path(folder), model.head, config)
        yield Path(folder)


def _overrides(text: str | None) -> dict[str, object]:
    """The user's own `--hf-overrides`, which are joined with ours."""
    try:
        values = json.loads(text or "{}")
    except ValueError as error:
        raise OptionError(f"{OVERRIDES} '{text}' is no JSON: {error}.") from None
    if not isinstance(values, dict):
        raise OptionError(f"{OVERRIDES} '{text}' is no JSON object: write it like '{{\"name\": value}}'.")
    return values


def _take(flags: Sequence[str], flag: str) -> tuple[list[str], str | None]:
    """`flags` without a flag, and its value."""
    rest, values = _take_many(flags, flag)
    return rest, values[-1] if values else None


def _take_many(flags: Sequence[str], flag: str) -> tuple[list[str], list[str]]:
    """`flags` without a flag of one or more values, and these; raises `OptionError` where it has none."""
    rest: list[str] = []
    values: list[str] = []
    words = iter(enumerate(flags))
    for index, word in words:
        if word.startswith(flag + "="):
            values.append(word.removeprefix(flag + "="))
        elif word == flag:
            found = _until_flag(flags[index + 1 :])
            if not found:
                raise OptionError(f"{flag} has no value: give one.")
            values += found
            for _ in found:
                next(words)
        else:
            rest.append(word)
    return rest, values


def _until_flag(words: Sequence[str]) -> list[str]:
    """The words before the next flag."""
    found = []
    for word in words:
        if word.startswith("--"):
            break
        found.append(word)
    return found
