"""Heads that ship for a backbone, here a made-up one for a tiny random model."""

from pathlib import Path

import pytest
import tiny_folder
import tiny_models

from reflectgen import zoo
from reflectgen.config import PromptConfig
from reflectgen.load import MISMATCH, load
from reflectgen.model.fingerprint import fingerprint
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.shipped import open_model, shipped_for


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return tiny_folder.write(tmp_path / "plain", head=False)


@pytest.fixture
def shipped(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A head in the zoo for the model in `plain`, which the Hub calls owner/model."""
    backbone = ReflectiveModel.from_pretrained(plain, device="cpu").backbone
    head = tiny_models.head(seed=3)
    ReflectiveModel(backbone, head, prompt=PromptConfig(instruction="Think.")).save_head(tmp_path / "heads" / "made-up")
    monkeypatch.setattr(zoo, "HEADS_FOLDER", tmp_path / "heads")
    monkeypatch.setattr(zoo, "HEADS", {"made-up": zoo.ShippedHead(("Owner/Model",), fingerprint(backbone))})
    return tmp_path / "heads" / "made-up"


def test_a_backbone_of_the_heads_fingerprint_gets_it_whatever_its_name(plain: Path, shipped: Path) -> None:
    model = open_model(plain, device="cpu")
    assert model.head is not None and not model.mismatch
    assert model.prompt is not None and model.prompt.instruction == "Think."
    assert shipped_for(model, "any") == "made-up"


def test_a_backbone_of_the_heads_name_gets_it_with_a_note(plain: Path, shipped: Path, tmp_path: Path) -> None:
    other = tiny_folder.write(tmp_path / "other", head=False, seed=1)
    assert open_model(other, device="cpu").head is None
    assert zoo.head_for("owner/model", "another") == "made-up" and zoo.head_for("owner/other", "another") is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "HEADS", {"made-up": zoo.ShippedHead((str(other),), "another")})
        with load(other, device="cpu") as model:
            assert model.notes == (MISMATCH,)
            assert model.solve("Why?", k=2, max_tokens=8, answer_tokens=4).select == "sprm"


def test_a_models_own_head_and_a_named_one_come_first(shipped: Path, tmp_path: Path) -> None:
    own = tiny_folder.write(tmp_path / "own")
    model = open_model(own, device="cpu")
    assert model.prompt is not None and model.prompt.instruction == ""
    named = open_model(tmp_path / "plain", head=own, device="cpu", allow_backbone_mismatch=True)
    assert named.prompt is not None and named.prompt.instruction == ""


def test_none_leaves_every_head_away(plain: Path, shipped: Path, tmp_path: Path) -> None:
    assert open_model(plain, head="none", device="cpu").head is None
    model = open_model(tiny_folder.write(tmp_path / "own"), head="none", device="cpu")
    assert model.head is None and model.tap is None
    assert not any(module._forward_hooks for module in model.backbone.modules())
    with load(plain, head="none", device="cpu") as loaded:
        assert loaded.solve("Why?", k=2, max_tokens=8, answer_tokens=4).select == "majority"


def test_without_shipped_heads_no_fingerprint_is_taken(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "HEADS", {})
    monkeypatch.setattr("reflectgen.model.shipped.fingerprint", None)
    assert open_model(plain, device="cpu").head is None
