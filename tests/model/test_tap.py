import pytest
import tiny_models
import torch
from torch import nn
from transformers import DynamicCache, PretrainedConfig

from reflectgen.errors import ModelError
from reflectgen.model.tap import FeatureTap, anatomy, hidden_size

EVERY = pytest.mark.parametrize("name", sorted(tiny_models.CONFIGS))


@EVERY
@pytest.mark.parametrize(("layer", "norm"), [(-2, False), (-1, True), (-tiny_models.BLOCKS, False)])
def test_features_are_the_hidden_states_of_transformers(name: str, layer: int, norm: bool) -> None:
    backbone, ids = tiny_models.backbone(name), tiny_models.token_ids(2, 20)
    tap = FeatureTap(backbone, layer, norm)
    with torch.no_grad():
        states = backbone(ids, output_hidden_states=True).hidden_states
    torch.testing.assert_close(tap.take(), states[layer], rtol=0, atol=0)


@EVERY
def test_the_last_block_can_be_read_before_the_norm(name: str) -> None:
    backbone, ids = tiny_models.backbone(name), tiny_models.token_ids(2, 20)
    before, after = FeatureTap(backbone, -1, norm=False), FeatureTap(backbone, -1, norm=True)
    with torch.no_grad():
        backbone(ids)
        norm = anatomy(backbone).norm
        assert norm is not None
        torch.testing.assert_close(norm(before.take()), after.take(), rtol=0, atol=0)


def test_features_come_token_by_token_with_a_cache() -> None:
    backbone, ids = tiny_models.backbone("qwen2"), tiny_models.token_ids(1, 6)
    tap, cache, pieces = FeatureTap(backbone, -2, norm=False), DynamicCache(config=backbone.config), []
    with torch.no_grad():
        backbone(ids)
        whole = tap.take()
        for position in range(6):
            backbone(ids[:, position : position + 1], past_key_values=cache, use_cache=True)
            pieces.append(tap.take())
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole)


def gradients(*, checkpointing: bool) -> list[torch.Tensor | None]:
    """Gradient of each block's first parameter from the sum of the features of the second-to-last block."""
    backbone = tiny_models.backbone("llama").train()
    if checkpointing:
        backbone.gradient_checkpointing_enable()
    tap = FeatureTap(backbone, -2, norm=False)
    backbone(tiny_models.token_ids(2, 8), use_cache=False)
    tap.take().sum().backward()
    return [next(block.parameters()).grad for block in anatomy(backbone).blocks]


def test_gradients_reach_every_block_up_to_the_tapped_one() -> None:
    found = gradients(checkpointing=False)
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in found[:3])
    assert found[3] is None


def test_gradient_checkpointing_gives_the_same_gradients() -> None:
    for plain, checkpointed in zip(gradients(checkpointing=False)[:3], gradients(checkpointing=True)[:3], strict=True):
        assert plain is not None and checkpointed is not None
        torch.testing.assert_close(plain, checkpointed)


def test_features_are_taken_once_and_only_after_a_pass() -> None:
    backbone = tiny_models.backbone("qwen2")
    tap = FeatureTap(backbone, -2, norm=False)
    with pytest.raises(RuntimeError, match="no pass"):
        tap.take()
    backbone(tiny_models.token_ids(1, 3))
    tap.take()
    with pytest.raises(RuntimeError, match="no pass"):
        tap.take()


def test_a_removed_tap_keeps_nothing() -> None:
    backbone = tiny_models.backbone("qwen2")
    tap = FeatureTap(backbone, -2, norm=False)
    tap.remove()
    backbone(tiny_models.token_ids(1, 3))
    with pytest.raises(RuntimeError, match="no pass"):
        tap.take()


@pytest.mark.parametrize("layer", [-5, 0, 1])
def test_a_layer_that_is_not_there_is_refused(layer: int) -> None:
    with pytest.raises(ModelError, match=f"layer {layer}, but the backbone has only 4 blocks"):
        FeatureTap(tiny_models.backbone("qwen2"), layer, norm=False)


class Foreign(nn.Module):
    """A model whose parts have names and shapes of their own."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.config = PretrainedConfig(num_hidden_layers=4, hidden_size=8)
        self.stack = nn.ModuleList(nn.Linear(8, 8) for _ in range(blocks))
        self.closing = nn.LayerNorm(8)


def test_a_model_without_a_list_of_its_blocks_is_refused() -> None:
    with pytest.raises(ModelError, match="Foreign has no list of 4 blocks"):
        FeatureTap(Foreign(blocks=3), -2, norm=False)


def test_a_norm_of_an_unknown_name_is_refused_only_where_it_is_needed() -> None:
    model = Foreign(blocks=4)
    assert anatomy(model).norm is None
    FeatureTap(model, -2, norm=False)
    with pytest.raises(ModelError, match="final norm of Foreign is not known"):
        FeatureTap(model, -1, norm=True)


@EVERY
def test_the_width_is_known(name: str) -> None:
    assert hidden_size(tiny_models.backbone(name)) == tiny_models.WIDTH
