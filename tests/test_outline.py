"""A model without its weights puts the same prompts under the same limits as the model itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_folder

from reflectgen.errors import InputError, ModelError
from reflectgen.load import load, outline
from reflectgen.model import source
from reflectgen.model.source import resolve
from reflectgen.model.unweighted import open_unweighted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder.write(tmp_path_factory.mktemp("models") / "graded")


@pytest.fixture(scope="module")
def headless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder.write(tmp_path_factory.mktemp("models") / "plain", head=False)


@pytest.mark.parametrize(
    "options", [{}, {"head": "none"}, {"step_rule": "newline"}, {"step_rule": "official"}, {"prompt": lambda own: own}]
)
def test_it_is_the_model_in_all_that_needs_no_weights(folder: Path, options: dict[str, Any]) -> None:
    with load(folder, **options) as model, outline(folder, **options) as known:
        assert known.request("1 + 1?", k=4, max_tokens=20) == model.request("1 + 1?", k=4, max_tokens=20)
        assert known.engine.context == model.engine.context
        assert known.identity.prompt == model.identity.prompt
        ours, theirs = known.engine.grammar, model.engine.grammar
        for name in ("segmenter", "eos", "aggregate", "offset", "has_head", "pool"):
            assert getattr(ours, name) == getattr(theirs, name)


def test_a_head_of_another_folder_or_model_and_none(folder: Path, headless: Path) -> None:
    with load(headless) as model, outline(headless) as known, outline(headless, prm=folder) as graded:
        assert known.request("1?", k=2) == model.request("1?", k=2)
        assert graded.engine.grammar.has_head and graded.engine.grammar.separate
    with load(headless, head=folder, allow_backbone_mismatch=True) as model, outline(headless, head=folder) as known:
        assert known.request("1?", k=2) == model.request("1?", k=2)


def test_the_bundled_model() -> None:
    with load("tiny") as model, outline("tiny") as known:
        assert known.request("1 + 1?") == model.request("1 + 1?")
        assert known.sampling == model.sampling


def test_no_weights_are_read(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("model*.safetensors"))
    with outline(copy) as known:
        assert known.engine.grammar.has_head and known.encode("1?")
    model, _ = open_unweighted(copy)
    assert {weights.device.type for weights in model.backbone.parameters()} == {"meta"}
    with pytest.raises(ModelError):
        load(copy)


def test_it_draws_nothing(folder: Path) -> None:
    with outline(folder) as known, pytest.raises(InputError, match="no thinkings of this prompt"):
        known.solve("1 + 1?", k=1)


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds neither a model"):
        outline(tmp_path)


def test_of_a_model_on_the_hub_the_weights_are_not_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ["config.json", "model.safetensors", "tokenizer.json", "sprm_head.safetensors"]
    listed = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in files])
    wanted: list[list[str]] = []

    def snapshot_download(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        wanted.append(sorted(allow_patterns))
        return str(folder)

    monkeypatch.setattr(source, "HfApi", lambda: SimpleNamespace(model_info=lambda *given, **options: listed))
    monkeypatch.setattr(source, "snapshot_download", snapshot_download)
    resolve("owner/model", weights=False)
    resolve("owner/model")
    assert wanted == [["config.json", "sprm_head.safetensors", "tokenizer.json"], sorted(files)]
