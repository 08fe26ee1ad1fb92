"""Heads on disk. Native: `reflectgen.json` (the configuration) beside `sprm_head.safetensors` (the weights).

Both lie beside the backbone's transformers files, or alone in a folder: then the head names its backbone. The layouts
of other projects are read by `reflectgen.model.foreign`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from reflectgen.config import PromptConfig, ReflectiveConfig
from reflectgen.errors import ModelError, OptionError
from reflectgen.model.atomic import replace_file
from reflectgen.model.foreign import SCORE_MODULE, read_foreign
from reflectgen.model.head import SPRMHead
from reflectgen.model.json_file import read_object
from reflectgen.model.source import Source, resolve

CONFIG_FILE = "reflectgen.json"
HEAD_FILE = "sprm_head.safetensors"
FORMAT = 1
"""Version of the layout of `reflectgen.json`; a reader refuses a higher one."""


@dataclass(frozen=True, slots=True)
class StoredHead:
    """A head read from disk."""

    head: SPRMHead
    prompt: PromptConfig | None
    """What its files say about prompts; None where they say nothing (foreign heads)."""


def find_head(source: Source) -> StoredHead | None:
    """The head in a folder: the native one, else the authors' `score_module.pt`, else None."""
    if (source.folder / HEAD_FILE).is_file():
        return read_head(source.folder)
    if (source.folder / SCORE_MODULE).is_file():
        return StoredHead(read_foreign(source.folder / SCORE_MODULE), None)
    return None


def backbone_source(source: Source, *, weights: bool = True) -> Source:
    """Where the backbone is: `source` itself, or what the head found there names; raises `ModelError` where it is nowhere.

    `weights` says whether those of a model on the Hub are fetched.
    """
    if source.has_backbone:
        return source
    stored = find_head(source)
    if stored is None:
        raise ModelError(f"{source.name} holds neither a model (config.json with weights, or a .gguf file) nor a head.")
    name = stored.head.config.backbone_name
    if not name:
        raise ModelError(f"{source.name} holds a head alone that names no backbone: give the backbone, and this as head=.")
    try:
        return resolve(name, weights=weights)
    except ModelError as error:
        raise ModelError(f"The head in {source.name} names a backbone that is not here. {error}") from error


def load_head(name: str | Path) -> StoredHead:
    """The head called `name`: a folder, a native or foreign file, or a Hub name; raises `ModelError` where there is none."""
    path = Path(name).expanduser()
    if path.is_file():
        return read_head(path.parent) if path.name == HEAD_FILE else StoredHead(read_foreign(path), None)
    stored = find_head(resolve(name))
    if stored is None:
        raise ModelError(f"{name} holds no head: give a folder with {HEAD_FILE} or {SCORE_MODULE}, or a head's file.")
    return stored


def read_head(folder: Path) -> StoredHead:
    """The native head in `folder`; raises `ModelError` where its files are missing, broken or do not fit each other."""
    config = read_config(folder)
    if config is None:
        raise ModelError(f"{folder / HEAD_FILE} lies without its configuration: put its {CONFIG_FILE} beside it.")
    try:
        state = load_file(folder / HEAD_FILE)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"The head {folder / HEAD_FILE} is no readable safetensors file: {error}.") from error
    head = SPRMHead(config.head)
    own = {name: tuple(value.shape) for name, value in head.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    if own != found:
        raise ModelError(f"The head {folder / HEAD_FILE} has tensors {found}, but its {CONFIG_FILE} asks for {own}.")
    head.load_state_dict(state)
    return StoredHead(head.eval(), config.prompt)


def read_config(folder: Path) -> ReflectiveConfig | None:
    """What `reflectgen.json` in `folder` says, None where there is none; raises `ModelError` where it is broken."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        return None
    values = read_object(path)
    version = values.pop("format", None)
    if not isinstance(version, int) or version > FORMAT:
        raise ModelError(f"The file {path} has format {version}, and this reflectgen reads up to {FORMAT}: upgrade reflectgen.")
    try:
        return ReflectiveConfig.parse(values, str(path))
    except OptionError as error:
        raise ModelError(str(error)) from error


def write_head(folder: Path, head: SPRMHead, config: ReflectiveConfig) -> None:
    """Write the head natively to `folder`, which exists; each file appears whole or not at all."""
    state = {name: value.detach().cpu().contiguous() for name, value in head.state_dict().items()}
    with replace_file(folder / HEAD_FILE) as scratch:
        save_file(state, scratch, metadata={"format": "pt"})
    with replace_file(folder / CONFIG_FILE) as scratch:
        text = json.dumps({"format": FORMAT, **config.model_dump(mode="json")}, indent=2, ensure_ascii=False)
        scratch.write_text(text + "\n", encoding="utf-8")
