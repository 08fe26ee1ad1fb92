"""The same promises on real pretrained models."""

from pathlib import Path

import pytest
import torch

from reflectgen.config import HeadConfig
from reflectgen.model.fingerprint import fingerprint
from reflectgen.model.head import SPRMHead
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.tap import hidden_size
from reflectgen.model.tokenizer import default_tags, load_tokenizer

pytestmark = pytest.mark.real

MODELS = {"smollm2-135m": (576, torch.float32), "qwen2.5-coder-0.5b": (896, torch.bfloat16)}
"""Folder -> width, and the dtype that is chosen for it on a CPU."""


@pytest.fixture(params=sorted(MODELS))
def folder(real_models: Path, request: pytest.FixtureRequest) -> Path:
    return real_models / request.param


@torch.no_grad()
def test_one_pass_gives_logits_and_scores_and_a_head_alone_finds_its_backbone(folder: Path, tmp_path: Path) -> None:
    loaded = ReflectiveModel.from_pretrained(folder, device="cpu")
    backbone, tokenizer = loaded.backbone, load_tokenizer(folder)
    assert (hidden_size(backbone), backbone.dtype) == MODELS[folder.name]
    assert default_tags(tokenizer) is None
    model = ReflectiveModel(backbone, SPRMHead(HeadConfig(hidden_size=hidden_size(backbone)))).eval()
    ids = torch.tensor([tokenizer.encode("One and one is two.\n\nTwo and two is four.\n\n")])
    plain, output = backbone(ids, output_hidden_states=True), model(ids)
    torch.testing.assert_close(output.logits, plain.logits, rtol=0, atol=0)
    torch.testing.assert_close(output.features, plain.hidden_states[-2], rtol=0, atol=0)
    model.save_head(tmp_path)
    again = ReflectiveModel.from_pretrained(tmp_path, device="cpu")
    assert again.config is not None and again.config.head.backbone == fingerprint(backbone) and not again.mismatch
    torch.testing.assert_close(again(ids).step_logits, output.step_logits, rtol=0, atol=0)


def test_precision_does_not_change_the_fingerprint(folder: Path) -> None:
    found = {
        fingerprint(ReflectiveModel.from_pretrained(folder, device="cpu", dtype=dtype).backbone) for dtype in ("bf16", "fp32")
    }
    assert len(found) == 1
