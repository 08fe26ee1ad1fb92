from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError
from huggingface_hub.errors import RevisionNotFoundError as NoRevision

from reflectgen.errors import ModelError
from reflectgen.model import source
from reflectgen.model.source import resolve


def touch(folder: Path, *files: str) -> Path:
    for file in files:
        (folder / file).touch()
    return folder


def test_a_folder_with_transformers_files(tmp_path: Path) -> None:
    found = resolve(touch(tmp_path, "config.json", "model.safetensors", "extra.gguf"))
    assert found.folder == tmp_path and found.has_backbone and found.gguf_option == {}


def test_a_folder_with_a_gguf_file_instead_of_weights(tmp_path: Path) -> None:
    found = resolve(touch(tmp_path, "config.json", "small.gguf"))
    assert found.has_backbone and found.gguf_option == {"gguf_file": "small.gguf"}


def test_a_gguf_file_by_its_name(tmp_path: Path) -> None:
    found = resolve(touch(tmp_path, "a.gguf", "b.gguf") / "b.gguf")
    assert (found.folder, found.gguf) == (tmp_path, "b.gguf")


def test_several_gguf_files_are_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds 2 \.gguf files: name the one to load, e\.g\. .*a\.gguf"):
        resolve(touch(tmp_path, "a.gguf", "b.gguf"))


def test_a_folder_with_a_head_alone_has_no_backbone(tmp_path: Path) -> None:
    assert not resolve(touch(tmp_path, "reflectgen.json", "sprm_head.safetensors")).has_backbone


def test_another_kind_of_file_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"notes\.txt is no model"):
        resolve(touch(tmp_path, "notes.txt") / "notes.txt")


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/model", "~/nowhere", "a/b/c", "nowhere.gguf", "nowhere/", "a\\b"])
def test_what_can_only_be_a_path_is_not_looked_for_on_the_hub(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(source, "HfApi", None)
    with pytest.raises(ModelError, match="No folder, file or Hub model of the name"):
        resolve(name)


class Hub:
    """A Hub that lists `files`, or raises `error`; `cache` is the local snapshot, None where there is none."""

    def __init__(self, files: list[str], error: Exception | None = None, cache: Path | None = None) -> None:
        self.files, self.error, self.cache = files, error, cache
        self.fetched: list[str] = []

    def model_info(self, name: str, revision: str | None, timeout: float) -> SimpleNamespace:
        if self.error is not None:
            raise self.error
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=file) for file in self.files])

    def snapshot_download(
        self, name: str, revision: str | None, allow_patterns: list[str] | None = None, local_files_only: bool = False
    ) -> str:
        if self.cache is None:
            raise source.LocalEntryNotFoundError("not cached")
        self.fetched = allow_patterns or []
        return str(self.cache)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(source, "HfApi", lambda: self)
        monkeypatch.setattr(source, "snapshot_download", self.snapshot_download)


SMALL = ["config.json", "tokenizer.json", "chat_template.jinja"]


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        (["model.safetensors", "pytorch_model.bin", "consolidated.safetensors", "README.md"], ["model.safetensors"]),
        (["pytorch_model.bin", "onnx/model.onnx"], ["pytorch_model.bin"]),
        (["model.safetensors", "small.gguf", "original/params.json"], ["model.safetensors"]),
        (["small.gguf"], ["small.gguf"]),
        (["model.safetensors", "sprm_head.safetensors"], ["model.safetensors", "sprm_head.safetensors"]),
        (["sprm_head.safetensors"], ["sprm_head.safetensors"]),
        (["model.safetensors", "score_module.pt"], ["model.safetensors", "score_module.pt"]),
    ],
)
def test_only_what_is_needed_is_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, offered: list[str], wanted: list[str]
) -> None:
    hub = Hub([*SMALL, *offered], cache=tmp_path)
    hub.install(monkeypatch)
    assert resolve("owner/model").folder == tmp_path
    assert sorted(hub.fetched) == sorted([*SMALL, *wanted])


def http_error(kind: type[HfHubHTTPError]) -> HfHubHTTPError:
    return kind.__new__(kind)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (http_error(GatedRepoError), "is gated: accept its terms"),
        (http_error(NoRevision), "has no revision 'v2'"),
        (http_error(RepositoryNotFoundError), "No folder, file or Hub model of the name 'owner/model'"),
        (http_error(HfHubHTTPError), "No folder, file or Hub model of the name 'owner/model'"),
        (OfflineModeIsEnabled(), "No folder, file or Hub model of the name 'owner/model'"),
    ],
)
def test_every_fault_of_the_hub_is_one_sentence(monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str) -> None:
    Hub([], error).install(monkeypatch)
    with pytest.raises(ModelError, match=sentence):
        resolve("owner/model", revision="v2")


def test_without_a_connection_the_cache_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Hub([], http_error(HfHubHTTPError), cache=touch(tmp_path, "config.json")).install(monkeypatch)
    found = resolve("owner/model")
    assert found.name == "owner/model" and found.has_backbone
