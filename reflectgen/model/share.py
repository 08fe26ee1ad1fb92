"""Puts a head on the Hub: the folder of a head alone, a few MB, which names the backbone that it goes with."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

from reflectgen.errors import ModelError
from reflectgen.model.checkpoint import CONFIG_FILE, HEAD_FILE, read_head


def push_head(folder: Path, repo: str, *, private: bool = True) -> str:
    """Upload the native head in `folder` to the Hub model `repo`, made private unless told otherwise; return its address.

    Nothing but the head's two files is uploaded. Raises `ModelError` where the folder holds no native head or the Hub refuses.
    """
    read_head(folder)
    api = HfApi()
    try:
        address = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=[HEAD_FILE, CONFIG_FILE],
            commit_message="An SPRM head",
        )
    except (HTTPError, OSError, ValueError) as error:
        told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"The head in {folder} cannot be put on the Hub as '{repo}': {told.rstrip('.')}.") from None
    return str(address)
