from pathlib import Path

import pytest
import tiny_models
import torch
from torch import nn
from transformers import PretrainedConfig

from reflectgen.config import Blend, HeadConfig
from reflectgen.errors import BackboneMismatch, ModelError
from reflectgen.model.fingerprint import check_backbone, fingerprint, head_fingerprint
from reflectgen.model.reflective import ReflectiveModel


class Fixed(nn.Module):
    """Two blocks whose weights are the numbers 0, 1, 2, ...: its fingerprint never changes."""

    def __init__(self) -> None:
        super().__init__()
        self.config = PretrainedConfig(num_hidden_layers=2, hidden_size=4)
        self.config.model_type = "fixed"
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.arange(parameter.numel(), dtype=torch.float32).reshape(parameter.shape))


def test_a_pinned_fingerprint() -> None:
    assert fingerprint(Fixed()) == "fixed-2x4-4e0ebcfbd667f78b"


def test_backbones_of_one_shape_differ_by_their_weights() -> None:
    found = [fingerprint(tiny_models.backbone(name, seed=seed)) for name in sorted(tiny_models.CONFIGS) for seed in (0, 1)]
    assert len(set(found)) == len(found)
    assert fingerprint(tiny_models.backbone("qwen2")) == fingerprint(tiny_models.backbone("qwen2"))


def test_fine_tuning_one_matrix_of_one_block_changes_it() -> None:
    backbone = tiny_models.backbone("llama")
    before = fingerprint(backbone)
    with torch.no_grad():
        backbone.model.layers[2].mlp.up_proj.weight.mul_(1.01)
    assert fingerprint(backbone) != before


def test_a_head_that_hangs_on_the_backbone_does_not_count() -> None:
    backbone = tiny_models.backbone("qwen2")
    before = fingerprint(backbone)
    backbone.sprm_head = tiny_models.head()
    assert fingerprint(backbone) == before


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("attention", [None, "eager"])
def test_precision_attention_and_saving_do_not_change_it(tmp_path: Path, dtype: str, attention: str | None) -> None:
    backbone = tiny_models.backbone("qwen2").to(torch.bfloat16)
    backbone.save_pretrained(tmp_path)
    loaded = ReflectiveModel.from_pretrained(tmp_path, device="cpu", dtype=dtype, attn_implementation=attention).backbone
    assert loaded.dtype == getattr(torch, dtype)
    assert fingerprint(loaded) == fingerprint(backbone)


def test_a_fp32_checkpoint_has_one_in_bfloat16_too() -> None:
    backbone = tiny_models.backbone("qwen2")
    assert fingerprint(backbone) == fingerprint(tiny_models.backbone("qwen2").to(torch.bfloat16))


def test_a_heads_fingerprint_is_of_all_that_enters_a_score() -> None:
    heads = [tiny_models.head(), tiny_models.head(seed=1), tiny_models.head(offset=0), tiny_models.head(temperature=2.0)]
    changed = tiny_models.head()
    with torch.no_grad():
        changed.down.weight[0, 3] += 1e-6
    found = [head_fingerprint(head) for head in (*heads, changed)]
    assert len(set(found)) == 5
    assert found[0] == head_fingerprint(tiny_models.head(blend=Blend(weight=2.0), backbone_name="Some/Model"))
    assert found[0] == head_fingerprint(tiny_models.head().to(torch.float32))
    assert found[0].startswith("sprm-") and len(found[0]) == 21


def head_config(**settings: object) -> HeadConfig:
    return HeadConfig(**{"hidden_size": tiny_models.WIDTH, **settings})


def test_another_width_is_refused_whatever_is_allowed() -> None:
    for allow in (False, True):
        with pytest.raises(ModelError, match="states of width 32, but this backbone's have 64"):
            check_backbone(head_config(hidden_size=32), tiny_models.backbone("qwen2"), allow_mismatch=allow)


def test_another_backbone_of_equal_width_is_refused_or_reported() -> None:
    config = head_config(backbone="qwen2-4x64-0000000000000000", backbone_name="Some/Model")
    with pytest.raises(BackboneMismatch, match=r"qwen2-4x64-0{16} \(Some/Model\).*--allow-backbone-mismatch"):
        check_backbone(config, tiny_models.backbone("qwen2"), allow_mismatch=False)
    assert check_backbone(config, tiny_models.backbone("qwen2"), allow_mismatch=True)


def test_its_own_backbone_and_an_unknown_one_pass() -> None:
    backbone = tiny_models.backbone("qwen2")
    assert not check_backbone(head_config(backbone=fingerprint(backbone)), backbone, allow_mismatch=False)
    assert not check_backbone(head_config(backbone=""), backbone, allow_mismatch=False)
