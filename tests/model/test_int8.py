"""Linear layers in eight bits: their arithmetic, what stays as it is, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_models
import torch
from torch import nn

from reflectgen.errors import ModelError
from reflectgen.model.fingerprint import fingerprint
from reflectgen.model.int8 import CACHED, NARROWEST, Int8Linear, precision, quantise, quantise_rows
from reflectgen.model.reflective import ReflectiveModel


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_rows_by_hand() -> None:
    rows, scale = quantise_rows(torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0], [1e4, 1.0, 0.0]]))
    assert rows.tolist() == [[64, -127, 32], [0, 0, 0], [127, 0, 0]]
    assert (rows * scale)[0].tolist() == pytest.approx([1.0, -2.0, 0.5], abs=2 / 127 / 2)
    assert (rows * scale)[1:, 0].tolist() == pytest.approx([0.0, 1e4])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("rows", "outputs"), [(1, 7), (9, 40), (2 * CACHED // NARROWEST, NARROWEST + 3)])
def test_a_layer_is_the_product_of_its_rounded_parts(bias: bool, rows: int, outputs: int) -> None:
    layer, inputs = nn.Linear(16, outputs, bias=bias), torch.randn(rows, 16)
    (bytes_in, scale_in), (bytes_out, scale_out) = quantise_rows(inputs), quantise_rows(layer.weight.detach())
    expected = (bytes_in.double() * scale_in) @ (bytes_out.double() * scale_out).T
    if bias:
        expected += layer.bias.detach().double()
    found = Int8Linear(layer)(inputs)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)
    relative = (found - layer(inputs)).norm() / layer(inputs).norm()
    assert relative < 0.02


def test_a_large_value_costs_no_other_row_anything() -> None:
    layer, inputs = Int8Linear(nn.Linear(32, 8)), torch.randn(5, 32)
    beside = torch.cat([inputs, torch.full((1, 32), 1e5)])
    assert torch.equal(layer(inputs), layer(beside)[:5])
    assert torch.equal(layer(inputs)[2:3], layer(inputs[2:3]))


def test_shapes_of_any_rank_and_of_no_rows() -> None:
    layer = Int8Linear(nn.Linear(8, 3))
    inputs = torch.randn(2, 5, 8)
    torch.testing.assert_close(layer(inputs), layer(inputs.view(10, 8)).view(2, 5, 3))
    assert layer(inputs[:0]).shape == (0, 5, 3)


@pytest.mark.parametrize("name", sorted(tiny_models.CONFIGS))
def test_a_backbone_keeps_its_fingerprint_its_size_and_nearly_its_logits(name: str) -> None:
    backbone = tiny_models.backbone(name).eval()
    ids = torch.randint(3, tiny_models.VOCABULARY, (2, 12))
    mark, size = fingerprint(backbone), sum(parameter.numel() for parameter in backbone.parameters())
    with torch.no_grad():
        before = backbone(ids).logits
        quantise(backbone)
        after = backbone(ids).logits
    assert precision(backbone) == "int8"
    assert fingerprint(backbone) == mark
    untied = backbone.config.vocab_size * backbone.config.hidden_size if backbone.config.tie_word_embeddings else 0
    assert sum(parameter.numel() for parameter in backbone.parameters()) == size + untied
    assert 0 < (after - before).norm() / before.norm() < 0.05


def test_loading_in_int8(tmp_path: Path) -> None:
    tiny_models.backbone("qwen2").to(torch.bfloat16).save_pretrained(tmp_path / "model")
    model = ReflectiveModel.from_pretrained(tmp_path / "model", device="cpu", dtype="int8")
    plain = ReflectiveModel.from_pretrained(tmp_path / "model", device="cpu", dtype="float32")
    assert (precision(model.backbone), precision(plain.backbone)) == ("int8", "float32")
    assert fingerprint(model.backbone) == fingerprint(plain.backbone)
    with pytest.raises(ModelError, match="A model in int8 cannot be saved"):
        model.save_pretrained(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_backbone_without_linear_layers_or_elsewhere_is_refused() -> None:
    class Bare(nn.Module):
        device = torch.device("cpu")

    with pytest.raises(ModelError, match="Bare has no linear layers"):
        quantise(Bare())
    with pytest.raises(ModelError, match="int8 is for CPUs"):
        quantise(tiny_models.backbone("qwen2").to("meta"))
