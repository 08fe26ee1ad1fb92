from pathlib import Path
from typing import Any

import pytest
import tiny_folder
from huggingface_hub.errors import HfHubHTTPError

from reflectgen.errors import ModelError
from reflectgen.model import share
from reflectgen.model.share import push_head


class Hub:
    """A Hub that notes what it is asked for, or raises `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[tuple[Any, ...]] = []

    def create_repo(self, repo: str, private: bool, exist_ok: bool) -> str:
        if self.error is not None:
            raise self.error
        self.calls.append(("create", repo, private, exist_ok))
        return f"https://hub/{repo}"

    def upload_folder(self, *, repo_id: str, folder_path: Path, allow_patterns: list[str], commit_message: str) -> None:
        self.calls.append(("upload", repo_id, folder_path, sorted(allow_patterns)))


def test_a_head_is_made_private_and_nothing_else_is_uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, folder = Hub(), tiny_folder.write(tmp_path / "m")
    monkeypatch.setattr(share, "HfApi", lambda: hub)
    assert push_head(folder, "owner/head") == "https://hub/owner/head"
    assert hub.calls == [
        ("create", "owner/head", True, True),
        ("upload", "owner/head", folder, ["reflectgen.json", "sprm_head.safetensors"]),
    ]
    push_head(folder, "owner/head", private=False)
    assert hub.calls[2] == ("create", "owner/head", False, True)


@pytest.mark.parametrize("error", [HfHubHTTPError.__new__(HfHubHTTPError), OSError("no token"), ValueError("Bad name.\nmore")])
def test_every_fault_of_the_hub_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(share, "HfApi", lambda: Hub(error))
    with pytest.raises(ModelError, match=r"cannot be put on the Hub as 'owner/head': [^\n]+\.$"):
        push_head(tiny_folder.write(tmp_path / "m"), "owner/head")


def test_a_folder_without_a_head_is_not_uploaded(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        push_head(tiny_folder.write(tmp_path / "m", head=False), "owner/head")
