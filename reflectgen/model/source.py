"""Where a model's files are: the name that a user gives becomes one local folder.

A name is a folder, a `.gguf` file, or a model on the Hub, of which only the files that are needed are fetched. Without a
connection a Hub model comes from the local cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    GatedRepoError,
    HFValidationError,
    HTTPError,  # the base of whichever HTTP client huggingface_hub uses
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from reflectgen.errors import ModelError

HUB_TIMEOUT = 10.0
"""Seconds to wait for the Hub's list of a model's files."""

SMALL_FILES = (".json", ".jinja", ".txt", ".model", ".py", ".pt")
"""Suffixes of what is fetched beside the weights: configuration, tokenizer, template, code, head."""


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of files, and what the user called it."""

    name: str
    """The name as it was given."""
    folder: Path
    """The folder that holds the files."""
    gguf: str | None
    """Name of the `.gguf` file in the folder that holds the backbone; None for transformers' own files."""

    @property
    def has_backbone(self) -> bool:
        """Whether a backbone is there, beside or without a head."""
        return self.gguf is not None or (self.folder / "config.json").is_file()

    @property
    def gguf_option(self) -> dict[str, str]:
        """What transformers' `from_pretrained` must be told of the `.gguf` file."""
        return {} if self.gguf is None else {"gguf_file": self.gguf}


def resolve(name: str | Path, revision: str | None = None, *, weights: bool = True) -> Source:
    """Find `name`, fetching it from the Hub where it is no local file or folder; raises `ModelError` where it is nowhere.

    Without `weights` those of a model with a `config.json` are not fetched.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return Source(str(name), path, _gguf_in(path))
    if path.is_file():
        if path.suffix != ".gguf":
            raise ModelError(f"{name} is no model: give its folder, a .gguf file or a Hub name.")
        return Source(str(name), path.parent, path.name)
    if _is_path(str(name)):
        raise _nowhere(str(name))
    folder = _fetch(str(name), revision, weights)
    return Source(str(name), folder, _gguf_in(folder))


def _is_path(name: str) -> bool:
    """Whether `name` can only be meant as a path: Hub names are `model` or `owner/model`."""
    ends = name.startswith((".", "~", "/")) or name.endswith(("/", ".gguf"))
    return ends or "\\" in name or name.count("/") > 1


def _nowhere(name: str) -> ModelError:
    return ModelError(f"No folder, file or Hub model of the name '{name}' could be found: check the name and the connection.")


def _gguf_in(folder: Path) -> str | None:
    """The `.gguf` file that holds the backbone of a folder without transformers' own weights."""
    if any(_is_weights(file.name) for file in folder.iterdir()):
        return None
    files = sorted(file.name for file in folder.glob("*.gguf"))
    if len(files) > 1:
        raise ModelError(f"{folder} holds {len(files)} .gguf files: name the one to load, e.g. {folder / files[0]}.")
    return files[0] if files else None


def _is_weights(file: str) -> bool:
    return file.startswith(("model", "pytorch_model")) and file.endswith((".safetensors", ".bin"))


def _fetch(name: str, revision: str | None, weights: bool) -> Path:
    """The local folder of a Hub model, from the Hub or, without a connection, from the cache."""
    try:
        listed = HfApi().model_info(name, revision=revision, timeout=HUB_TIMEOUT).siblings or []
        files = [file.rfilename for file in listed]
        wanted = _wanted(files if weights or "config.json" not in files else [file for file in files if not _is_weights(file)])
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except GatedRepoError:
        raise ModelError(
            f"The Hub model '{name}' is gated: accept its terms on the Hub and log in with `hf auth login`."
        ) from None
    except RevisionNotFoundError:
        raise ModelError(f"The Hub model '{name}' has no revision '{revision}'.") from None
    except (RepositoryNotFoundError, HFValidationError):
        raise _nowhere(name) from None
    except (HTTPError, OfflineModeIsEnabled, LocalEntryNotFoundError):
        return _cached(name, revision)


def _cached(name: str, revision: str | None) -> Path:
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        raise _nowhere(name) from None


def _wanted(files: Sequence[str]) -> list[str]:
    """Of a Hub model's files those at its root that are needed: one kind of weights, and everything small."""
    root = [file for file in files if PurePosixPath(file).name == file]
    heads = [file for file in root if file.endswith(".safetensors") and not file.startswith(("consolidated", "model"))]
    weights = [file for file in root if _is_weights(file)]
    safe = [file for file in weights if file.endswith(".safetensors")]
    ggufs = [] if weights else [file for file in root if file.endswith(".gguf")]
    return [file for file in root if file.endswith(SMALL_FILES)] + heads + (safe or weights) + ggufs
